#include "platform/netbroker/message.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "platform/base/fd_room.h"

namespace runsc {
namespace {

constexpr size_t kFdRoom = 8;  // so that a sender of several is noticed and none stays open

size_t CollectFds(msghdr& message, UniqueFd (&owned)[kFdRoom]) {
  size_t count = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n && count < kFdRoom; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
      owned[count++].reset(fd);
    }
  }
  return count;
}

}  // namespace

bool SendPacket(int channel, std::span<const std::byte> header, std::span<const std::byte> body, int fd) {
  iovec parts[2] = {{const_cast<std::byte*>(header.data()), header.size()},
                    {const_cast<std::byte*>(body.data()), body.size()}};
  msghdr message{.msg_iov = parts, .msg_iovlen = 2};
  FdRoom<1> room;
  if (fd >= 0) room.Attach(message, {&fd, 1});
  ssize_t n;
  do {
    n = sendmsg(channel, &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(header.size() + body.size());
}

long ReceivePacket(int channel, std::span<std::byte> buffer, UniqueFd* fd) {
  alignas(cmsghdr) char control[CMSG_SPACE(kFdRoom * sizeof(int))];
  iovec iov{buffer.data(), buffer.size()};
  msghdr message{.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  ssize_t n;
  do {
    n = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) return -1;
  UniqueFd fds[kFdRoom];
  if (CollectFds(message, fds) > 1 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) return -1;
  *fd = std::move(fds[0]);
  return n;
}

}  // namespace runsc
