#include "platform/netbroker/message.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "platform/base/fd_room.h"

namespace runsc {
namespace {

constexpr size_t kMostFds = 8;  // so that a sender of several is noticed and none stays open

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
  } while (ShouldSendAgain(n));
  return n == static_cast<ssize_t>(header.size() + body.size());
}

long ReceivePacket(int channel, std::span<std::byte> buffer, UniqueFd* fd) {
  FdRoom<kMostFds> room;
  iovec iov{buffer.data(), buffer.size()};
  msghdr message{.msg_iov = &iov, .msg_iovlen = 1};
  room.Offer(message);
  ssize_t n;
  do {
    n = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) return -1;
  std::vector<UniqueFd> fds = TakeFds(message);
  if (fds.size() > 1 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) return -1;
  *fd = fds.empty() ? UniqueFd() : std::move(fds[0]);
  return n;
}

}  // namespace runsc
