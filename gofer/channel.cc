// One socket to the gofer, used for one call at a time.
#include "gofer/channel.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "platform/base/cpu.h"
#include "platform/base/fd_room.h"

namespace runsc {
namespace {

// More than the one descriptor a reply may carry, so that a gofer sending several is noticed and
// none of them stays open unowned.
constexpr size_t kMostFds = 8;

}  // namespace

GoferChannel::GoferChannel(UniqueFd socket) : socket_(std::move(socket)), buffer_(new std::byte[kGoferMaxMessage]) {}

bool GoferChannel::Exchange(std::span<std::byte> request, GoferOp op, Packet* reply) {
  MessageHeader header{.size = static_cast<uint32_t>(request.size()),
                       .version = kGoferVersion,
                       .op = static_cast<uint8_t>(op),
                       .sequence = ++sequence_,
                       .cpu = CurrentCpu()};
  memcpy(request.data(), &header, sizeof(header));
  if (!SendRequest(request) || !Receive(reply)) return false;
  return reply->header.op == header.op && reply->header.sequence == header.sequence;
}

void GoferChannel::Close() {
  socket_.reset();
  buffer_.reset();
}

bool GoferChannel::SendRequest(std::span<const std::byte> request) {
  // sendmsg, not send: one system call fewer for the sentry's filter to allow.
  iovec iov{const_cast<std::byte*>(request.data()), request.size()};
  msghdr message{.msg_iov = &iov, .msg_iovlen = 1};
  ssize_t n;
  do {
    n = sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(request.size());
}

bool GoferChannel::Receive(Packet* reply) {
  FdRoom<kMostFds> room;
  iovec iov{buffer_.get(), kGoferMaxMessage};
  msghdr message{.msg_iov = &iov, .msg_iovlen = 1};
  room.Offer(message);
  ssize_t n;
  do {
    n = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < static_cast<ssize_t>(sizeof(MessageHeader))) return false;
  std::vector<UniqueFd> fds = TakeFds(message);
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return false;
  memcpy(&reply->header, buffer_.get(), sizeof(MessageHeader));
  if (fds.size() > 1 || fds.size() != reply->header.fds) return false;
  reply->fd = fds.empty() ? UniqueFd() : std::move(fds[0]);
  return Unpack(static_cast<size_t>(n), reply);
}

bool GoferChannel::Unpack(size_t size, Packet* reply) {
  const MessageHeader& header = reply->header;
  if (header.size != size || header.version != kGoferVersion) return false;
  bool failed = header.error != 0;
  if (failed && (size != sizeof(header) || reply->fd.valid())) return false;
  reply->body.assign(reinterpret_cast<const char*>(buffer_.get()) + sizeof(header), size - sizeof(header));
  return true;
}

}  // namespace runsc
