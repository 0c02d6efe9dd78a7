// Control messages over SOCK_SEQPACKET.
#include "runsc-cli/control/channel.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr char kSocketName[] = "control.sock";
constexpr int kBacklog = 16;

// The socket's name through the directory's descriptor: short whatever the directory is called.
sockaddr_un SocketAddress(int directory) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = Cat("/proc/self/fd/", directory, "/", kSocketName);
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::StatusOr<UniqueFd> NewSocket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return HostError(errno, "create control socket");
  return fd;
}

absl::Status Malformed(std::string_view what) {
  return absl::DataLossError(Cat("malformed control message: ", what));
}

}  // namespace

absl::Status ControlChannel::Send(const ControlMessage& message) const {
  ControlHeader header;
  header.type = static_cast<uint16_t>(message.type);
  header.error = message.error;
  const std::string_view body = std::string_view(message.body).substr(0, kMaxControlBody);
  header.body_size = static_cast<uint32_t>(body.size());
  iovec parts[] = {{&header, sizeof(header)}, {const_cast<char*>(body.data()), body.size()}};
  msghdr packet = {};
  packet.msg_iov = parts;
  packet.msg_iovlen = 2;
  ssize_t sent;
  do {
    sent = sendmsg(fd_.get(), &packet, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? HostError(errno, "send control message") : absl::OkStatus();
}

absl::StatusOr<ControlMessage> ControlChannel::Receive() const {
  ControlHeader header;
  std::string body(kMaxControlBody, '\0');
  iovec parts[] = {{&header, sizeof(header)}, {body.data(), body.size()}};
  msghdr packet = {};
  packet.msg_iov = parts;
  packet.msg_iovlen = 2;
  ssize_t size;
  do {
    size = recvmsg(fd_.get(), &packet, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return HostError(errno, "receive control message");
  if (size == 0) return absl::UnavailableError("the other side closed the control connection");
  if (static_cast<size_t>(size) < sizeof(header)) return Malformed("too short");
  if (header.magic != kControlMagic || header.version != kControlVersion) return Malformed("wrong version");
  if (packet.msg_flags & MSG_TRUNC || header.body_size != size - sizeof(header)) return Malformed("wrong size");
  body.resize(header.body_size);
  body.shrink_to_fit();
  return ControlMessage{static_cast<ControlType>(header.type), header.error, std::move(body)};
}

absl::StatusOr<std::string> ControlChannel::Call(ControlType type, std::string_view body) const {
  RETURN_IF_ERROR(Send({type, 0, std::string(body)}));
  ASSIGN_OR_RETURN(ControlMessage reply, Receive());
  if (reply.type != type) return Malformed("reply to another request");
  if (reply.error != 0) {
    if (reply.body.empty()) return HostError(reply.error, "sandbox");
    return absl::Status(absl::ErrnoToStatusCode(reply.error), reply.body);
  }
  return std::move(reply.body);
}

absl::StatusOr<UniqueFd> BindControlSocket(int directory) {
  ASSIGN_OR_RETURN(UniqueFd fd, NewSocket());
  const sockaddr_un address = SocketAddress(directory);
  // The mode of the new node; the directory is 0700 besides.
  fchmod(fd.get(), 0600);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return HostError(errno, "bind control socket");
  }
  if (listen(fd.get(), kBacklog) != 0) return HostError(errno, "listen on control socket");
  return fd;
}

absl::StatusOr<ControlChannel> ConnectControlSocket(int directory) {
  ASSIGN_OR_RETURN(UniqueFd fd, NewSocket());
  const sockaddr_un address = SocketAddress(directory);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return HostError(errno, "connect to the sandbox's control socket");
  }
  return ControlChannel(std::move(fd));
}

}  // namespace runsc
