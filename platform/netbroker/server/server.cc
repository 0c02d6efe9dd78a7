// One request after the other. Whatever is asked, the filter allows no more than socket_rules.h.
#include "platform/netbroker/server/server.h"

#include <linux/netlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "platform/netbroker/message.h"
#include "platform/netbroker/protocol.h"
#include "platform/netbroker/socket_rules.h"

namespace runsc {
namespace {

class BrokerServer {
 public:
  explicit BrokerServer(UniqueFd channel) : channel_(std::move(channel)) {}
  void Run() {
    while (ReadRequest()) {
      const int error = Serve();
      if (!Reply(error)) return;
    }
  }

 private:
  bool ReadRequest();
  bool Reply(int error);
  int Serve();
  int ServeOpen();
  int ServeSocket();
  int SetOption();
  int Name(bool peer);
  int Interface();
  int ListInterfaces();
  bool IsInternetSocket() const;
  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(bytes_); }

  const UniqueFd channel_;
  BrokerRequest request_;
  alignas(16) std::byte bytes_[kBrokerMaxBytes];  // what came, then what goes
  size_t size_ = 0;                               // of what goes
  UniqueFd socket_;                               // what came
  UniqueFd made_;                                 // what goes
};

int Checked(int result) { return result < 0 ? errno : 0; }

bool BrokerServer::ReadRequest() {
  std::byte packet[sizeof(BrokerRequest) + kBrokerMaxBytes];
  socket_.reset();
  made_.reset();
  size_ = 0;
  const long n = ReceivePacket(channel_.get(), packet, &socket_);
  if (n < static_cast<long>(sizeof(request_))) return false;
  std::memcpy(&request_, packet, sizeof(request_));
  if (request_.size != static_cast<size_t>(n) - sizeof(request_)) return false;
  std::memcpy(bytes_, packet + sizeof(request_), request_.size);
  return true;
}

bool BrokerServer::Reply(int error) {
  if (error != 0) size_ = 0;
  const BrokerReply reply{error, static_cast<uint32_t>(size_)};
  return SendPacket(channel_.get(), std::as_bytes(std::span(&reply, 1)), {bytes_, size_},
                    error == 0 ? made_.get() : -1);
}

// A file or a unix socket sent here would be acted on with our rights.
bool BrokerServer::IsInternetSocket() const {
  int domain = 0;
  socklen_t size = sizeof(domain);
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return false;
  return domain == AF_INET || domain == AF_INET6;
}

int BrokerServer::ServeOpen() {
  const int domain = request_.args[0], type = request_.args[1], protocol = request_.args[2];
  if (request_.op == BrokerOp::kRoute) {
    made_.reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  } else if (IsAllowedKind(domain, type, protocol)) {
    made_.reset(socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  } else {
    return EPROTONOSUPPORT;
  }
  return made_.valid() ? 0 : errno;
}

int BrokerServer::Name(bool peer) {
  auto* address = reinterpret_cast<sockaddr*>(bytes_);
  socklen_t size = sizeof(bytes_);
  const int result = peer ? getpeername(socket_.get(), address, &size) : getsockname(socket_.get(), address, &size);
  size_ = std::min<size_t>(size, sizeof(sockaddr_storage));
  return Checked(result);
}

int BrokerServer::SetOption() {
  const int level = request_.args[0], name = request_.args[1];
  if (!MaySetOption(level, name)) return ENOPROTOOPT;
  return Checked(setsockopt(socket_.get(), level, name, bytes_, request_.size));
}

int BrokerServer::ServeSocket() {
  if (!IsInternetSocket()) return ENOTSOCK;
  switch (request_.op) {
    case BrokerOp::kBind:
      return Checked(bind(socket_.get(), address(), request_.size));
    case BrokerOp::kConnect:
      return Checked(connect(socket_.get(), address(), request_.size));
    case BrokerOp::kListen:
      return Checked(listen(socket_.get(), request_.args[0]));
    case BrokerOp::kShutdown:
      return Checked(shutdown(socket_.get(), request_.args[0]));
    case BrokerOp::kGetName:
      return Name(false);
    case BrokerOp::kGetPeer:
      return Name(true);
    case BrokerOp::kSetOption:
      return SetOption();
    default:
      return EINVAL;
  }
}

int BrokerServer::ListInterfaces() {
  ifconf list{};
  list.ifc_len = static_cast<int>(kBrokerMaxBytes - kBrokerMaxBytes % sizeof(ifreq));
  list.ifc_buf = reinterpret_cast<char*>(bytes_);
  const UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int error = Checked(ioctl(any.get(), SIOCGIFCONF, &list));
  size_ = static_cast<size_t>(std::max(list.ifc_len, 0));
  return error;
}

int BrokerServer::Interface() {
  const auto what = static_cast<unsigned>(request_.args[0]);
  const auto known = InterfaceQueries();
  if (std::find(known.begin(), known.end(), what) == known.end()) return ENOTTY;
  if (what == SIOCGIFCONF) return ListInterfaces();
  if (request_.size != sizeof(ifreq)) return EINVAL;
  ifreq request;
  std::memcpy(&request, bytes_, sizeof(request));
  const UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int error = Checked(ioctl(any.get(), what, &request));
  std::memcpy(bytes_, &request, sizeof(request));
  size_ = sizeof(request);
  return error;
}

int BrokerServer::Serve() {
  switch (request_.op) {
    case BrokerOp::kSocket:
    case BrokerOp::kRoute:
      return ServeOpen();
    case BrokerOp::kInterface:
      return Interface();
    default:
      return ServeSocket();
  }
}

}  // namespace

void RunNetBroker(UniqueFd channel) { BrokerServer(std::move(channel)).Run(); }

}  // namespace runsc
