// One connection of the sentry: receives requests, checks and serves them, sends replies.
#include "gofer/server/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "platform/base/fd_room.h"

namespace runsc {
namespace {

bool HeaderIsSound(const MessageHeader& header, size_t size) {
  return header.size == size && header.version == kGoferVersion && header.fds == 0 && header.error == 0;
}

// Strings and nothing after them; false if the message is cut short or too long.
bool ParseStrings(const GoferOperation& row, GoferRequest& request) {
  if (row.strings == GoferOperation::kParsesItself) return true;
  for (int i = 0; i < row.strings; i++) {
    if (!request.rest.ReadString(&request.strings[static_cast<size_t>(i)])) return false;
  }
  return request.rest.AtEnd();
}

bool RefusedAsReadOnly(const GoferOperation& row, const GoferRequest& request) {
  if (row.access == Access::kRead) return false;
  for (const auto& node : request.nodes) {
    if (node && node->attach().read_only) return true;
  }
  return false;
}

}  // namespace

GoferConnection::GoferConnection(GoferSession& session, UniqueFd socket)
    : session_(session),
      socket_(std::move(socket)),
      request_(new std::byte[kGoferMaxMessage]),
      reply_(new std::byte[kGoferMaxMessage]) {}

void GoferConnection::Serve() {
  for (;;) {
    ssize_t n = Receive();
    if (n <= 0) return;
    const std::span<const std::byte> message(request_.get(), static_cast<size_t>(n));
    FollowCaller(message);
    if (Handle(message) == 0 || !SendReply()) return;
  }
}

// What the caller says of its CPU is a hint: nothing else depends on it.
void GoferConnection::FollowCaller(std::span<const std::byte> message) {
  MessageHeader header;
  if (message.size() < sizeof(header)) return;
  memcpy(&header, message.data(), sizeof(header));
  cpu_.Follow(header.cpu);
}

// The size of the next message; 0 at the end, -1 for one that does not fit.
ssize_t GoferConnection::Receive() {
  iovec iov{request_.get(), kGoferMaxMessage};
  msghdr message{.msg_iov = &iov, .msg_iovlen = 1};  // no room for descriptors: the kernel drops them
  ssize_t n;
  do {
    n = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  return (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ? -1 : n;
}

size_t GoferConnection::Handle(std::span<const std::byte> message) {
  reply_size_ = 0;
  MessageHeader header;
  if (message.size() < sizeof(header)) return 0;
  memcpy(&header, message.data(), sizeof(header));
  const GoferOperation* row = FindOperation(header.op);
  if (row == nullptr || !HeaderIsSound(header, message.size())) return 0;
  GoferRequest request;
  GoferResponse response{.out = WireWriter({reply_.get() + sizeof(header), kGoferMaxMessage - sizeof(header)}),
                         .fd = {}};
  Result<void> done = Dispatch(*row, message.subspan(sizeof(header)), request, response);
  if (request.malformed) return 0;
  header.error = done.ok() ? 0 : done.error().value();
  header.size = static_cast<uint32_t>(sizeof(header) + (done.ok() ? response.out.size() : 0));
  reply_fd_ = done.ok() ? std::move(response.fd) : UniqueFd();
  header.fds = reply_fd_.valid() ? 1 : 0;
  memcpy(reply_.get(), &header, sizeof(header));
  return reply_size_ = header.size;
}

Result<void> GoferConnection::Dispatch(const GoferOperation& row, std::span<const std::byte> body,
                                       GoferRequest& request, GoferResponse& response) {
  if (body.size() < row.fixed_size) return request.Malformed();
  request.fixed = body.first(row.fixed_size);
  request.rest = WireReader(body.subspan(row.fixed_size));
  if (!ParseStrings(row, request)) return request.Malformed();
  TRY(ParseHandles(row, request));
  for (int i = 0; i < row.names; i++) TRY(CheckName(request.strings[static_cast<size_t>(i)]));
  if (RefusedAsReadOnly(row, request)) return Errno(EROFS);
  return row.serve(session_, request, response);
}

Result<void> GoferConnection::ParseHandles(const GoferOperation& row, GoferRequest& request) {
  WireReader reader(request.fixed);
  for (int i = 0; i < row.handles; i++) {
    uint64_t handle = 0;
    if (!reader.Read(&handle)) return request.Malformed();
    RefPtr<ServerNode> node = session_.handles.Find(handle);
    if (!node) return Errno(EBADF);
    request.nodes[static_cast<size_t>(i)] = std::move(node);
  }
  return {};
}

bool GoferConnection::SendReply() {
  UniqueFd fd = TakeReplyFd();
  iovec iov{reply_.get(), reply_size_};
  msghdr message{.msg_iov = &iov, .msg_iovlen = 1};
  FdRoom<1> room;
  const int number = fd.get();
  if (fd.valid()) room.Attach(message, {&number, 1});
  ssize_t n;
  do {
    n = sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  } while (ShouldSendAgain(n));
  return n == static_cast<ssize_t>(reply_size_);
}

}  // namespace runsc
