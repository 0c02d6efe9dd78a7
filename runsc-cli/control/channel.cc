// Control messages over SOCK_SEQPACKET.
#include "runsc-cli/control/channel.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "absl/strings/cord.h"
#include "platform/base/fd_room.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/printable.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr char kSocketName[] = "control.sock";
constexpr int kBacklog = 16;
constexpr char kClosedPayload[] = "runsc/closed";
constexpr char kGonePayload[] = "runsc/gone";

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

absl::Status Malformed(std::string_view what) { return absl::DataLossError(Cat("malformed control message: ", what)); }

// A socket call's failure.
absl::Status SocketError(int error, const char* what) {
  absl::Status status = HostError(error, "%s", what);
  const bool gone = error == EPIPE || error == ECONNRESET || error == ECONNREFUSED || error == ENOENT;
  if (gone) status.SetPayload(kGonePayload, absl::Cord());
  return status;
}

absl::Status Closed() {
  absl::Status status = absl::UnavailableError("the other side closed the control connection");
  status.SetPayload(kGonePayload, absl::Cord());
  status.SetPayload(kClosedPayload, absl::Cord());
  return status;
}

struct Packet {
  ControlHeader header;
  std::string body;
  std::vector<UniqueFd> fds;
};

absl::Status SendPacket(int socket, ControlHeader header, std::string_view body, std::span<const int> fds) {
  iovec parts[] = {{&header, sizeof(header)}, {const_cast<char*>(body.data()), body.size()}};
  FdRoom<kMaxControlFds> room;
  msghdr packet = {};
  packet.msg_iov = parts;
  packet.msg_iovlen = 2;
  if (!fds.empty()) room.Attach(packet, fds);
  ssize_t sent;
  do {
    sent = sendmsg(socket, &packet, MSG_NOSIGNAL);
  } while (ShouldSendAgain(sent));
  return sent < 0 ? SocketError(errno, "send control message") : absl::OkStatus();
}

absl::StatusOr<Packet> ReceivePacket(int socket) {
  Packet received;
  received.body.resize(kMaxControlPacket);
  ControlHeader& header = received.header;
  iovec parts[] = {{&header, sizeof(header)}, {received.body.data(), received.body.size()}};
  FdRoom<kMaxControlFds> room;
  msghdr packet = {};
  packet.msg_iov = parts;
  packet.msg_iovlen = 2;
  room.Offer(packet);
  ssize_t size;
  do {
    size = recvmsg(socket, &packet, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) return absl::DeadlineExceededError("the sandbox does not answer");
  if (size < 0) return SocketError(errno, "receive control message");
  received.fds = TakeFds(packet);
  if (size == 0) return Closed();
  if (static_cast<size_t>(size) < sizeof(header)) return Malformed("too short");
  if (header.magic != kControlMagic || header.version != kControlVersion) return Malformed("wrong version");
  if (packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || header.body_size != size - sizeof(header)) {
    return Malformed("wrong size");
  }
  received.body.resize(header.body_size);
  return received;
}

}  // namespace

bool IsClosed(const absl::Status& status) { return status.GetPayload(kClosedPayload).has_value(); }
bool IsGone(const absl::Status& status) { return status.GetPayload(kGonePayload).has_value(); }

absl::Status ControlChannel::Send(const ControlMessage& message, std::span<const int> fds) const {
  std::string_view left = message.body;
  if (message.error != 0) left = left.substr(0, kMaxControlError);
  if (left.size() > kMaxControlBody) return InvalidArgument("control message: more than ", kMaxControlBody, " bytes");
  if (fds.size() > kMaxControlFds)
    return InvalidArgument("control message: more than ", kMaxControlFds, " descriptors");
  ControlHeader header;
  header.type = static_cast<uint16_t>(message.type);
  header.error = message.error;
  do {
    const std::string_view piece = left.substr(0, kMaxControlPacket);
    left.remove_prefix(piece.size());
    header.body_size = static_cast<uint32_t>(piece.size());
    header.more = !left.empty();
    RETURN_IF_ERROR(SendPacket(fd_.get(), header, piece, fds));
    fds = {};
  } while (!left.empty());
  return absl::OkStatus();
}

absl::StatusOr<ControlMessage> ControlChannel::Receive() const {
  ASSIGN_OR_RETURN(Packet packet, ReceivePacket(fd_.get()));
  ControlMessage message{static_cast<ControlType>(packet.header.type), packet.header.error, std::move(packet.body),
                         std::move(packet.fds)};
  while (packet.header.more) {
    ASSIGN_OR_RETURN(packet, ReceivePacket(fd_.get()));
    if (packet.header.type != static_cast<uint16_t>(message.type) || !packet.fds.empty())
      return Malformed("not the rest");
    if (packet.body.empty() || message.body.size() + packet.body.size() > kMaxControlBody)
      return Malformed("wrong size");
    message.body += packet.body;
  }
  message.body.shrink_to_fit();
  return message;
}

absl::StatusOr<std::string> ControlChannel::Call(ControlType type, std::string body, std::span<const int> fds) const {
  RETURN_IF_ERROR(Send({type, 0, std::move(body), {}}, fds));
  ASSIGN_OR_RETURN(ControlMessage reply, Receive());
  if (reply.type != type) return Malformed("reply to another request");
  if (reply.error != 0) {
    if (reply.body.empty()) return HostError(reply.error, "sandbox");
    return absl::Status(absl::ErrnoToStatusCode(reply.error), Printable(reply.body));
  }
  return std::move(reply.body);
}

absl::StatusOr<ControlPair> NewControlPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) return HostError(errno, "create socket pair");
  return ControlPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

absl::StatusOr<UniqueFd> BindControlSocket(int directory) {
  ASSIGN_OR_RETURN(UniqueFd fd, NewSocket());
  const sockaddr_un address = SocketAddress(directory);
  // The mode of the new node; the directory is 0700 besides.
  fchmod(fd.get(), 0600);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return HostError(errno, "bind control socket %s", address.sun_path);
  }
  if (listen(fd.get(), kBacklog) != 0) return HostError(errno, "listen on control socket");
  return fd;
}

absl::StatusOr<ControlChannel> ConnectControlSocket(int directory) {
  ASSIGN_OR_RETURN(UniqueFd fd, NewSocket());
  const sockaddr_un address = SocketAddress(directory);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return SocketError(errno, "connect to the sandbox's control socket");
  }
  return ControlChannel(std::move(fd));
}

}  // namespace runsc
