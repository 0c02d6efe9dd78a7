// See fd_room.h.
#include "platform/base/fd_room.h"

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace runsc {

bool ShouldSendAgain(ssize_t sent) {
  if (sent >= 0) return false;
  if (errno != ETOOMANYREFS) return errno == EINTR;
  std::mutex mu;
  std::unique_lock<std::mutex> lock(mu);
  std::condition_variable never;
  never.wait_for(lock, std::chrono::milliseconds(2));  // a sleep that every process' filter knows
  return true;
}

std::vector<UniqueFd> TakeFds(msghdr& message) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; at + sizeof(int) <= header->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + at, sizeof(fd));
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace runsc
