// The socket calls of TCP.
#include "sentry/net/tcp_socket.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "sentry/fs/sigpipe.h"
#include "sentry/kernel/task.h"
#include "sentry/net/option_values.h"

namespace runsc {
namespace {

RefPtr<TcpSocket> Wrap(Task& task, RefPtr<NetStack> stack, RefPtr<TcpEndpoint> endpoint, int domain, int flags) {
  RefPtr<AnonInode> inode = NewSocketInode(task);
  endpoint->ino = inode->ino();
  return MakeRef<TcpSocket>(std::move(inode), std::move(stack), std::move(endpoint), domain, flags & O_NONBLOCK);
}

}  // namespace

const char TcpSocket::kKind = 0;

TcpSocket::TcpSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, RefPtr<TcpEndpoint> endpoint, int domain,
                     int flags)
    : InetSocket(std::move(inode), std::move(stack), domain, SOCK_STREAM, IPPROTO_TCP, flags),
      endpoint_(std::move(endpoint)) {}

TcpSocket::~TcpSocket() {
  endpoint_->Close(options_.linger_seconds.load() == 0, options_.at(IPPROTO_TCP, TCP_LINGER2));
}

Result<void> TcpSocket::Bind(Task& task, const SocketAddress& address) {
  const PortClaim claim = TRY(ParseBind(task, address));
  if (claim.local.address.is_multicast() || claim.local.address.is_broadcast()) return Errno(EADDRNOTAVAIL);
  return endpoint_->Bind(claim);
}

Result<void> TcpSocket::Listen(Task& task, int backlog) { return endpoint_->Listen(AnyClaim(task), backlog); }

Result<RefPtr<Socket>> TcpSocket::Accept(Task& task, int flags) {
  RefPtr<TcpEndpoint> accepted = TRY(endpoint_->Accept());
  RefPtr<TcpSocket> socket = Wrap(task, stack_, std::move(accepted), domain(), flags);
  socket->options_.CopyFrom(options_);
  socket->OptionChanged(SOL_SOCKET, SO_OOBINLINE);
  socket->OptionChanged(SOL_SOCKET, SO_RCVLOWAT);
  socket->OptionChanged(IPPROTO_TCP, TCP_CORK);
  return RefPtr<Socket>(std::move(socket));
}

Result<void> TcpSocket::Connect(Task& task, const SocketAddress& address) {
  if (address.size >= sizeof(sa_family_t) && address.family() == AF_UNSPEC) {
    endpoint_->Disconnect();
    return {};
  }
  const IpEndpoint to = TRY(ParseInetAddress(address, domain()));
  TRY(CheckFamily(to.address));
  if (to.address.is_multicast() || to.address.is_broadcast()) return Errno(ENETUNREACH);
  return endpoint_->Connect(to, AnyClaim(task), nonblocking());
}

Result<SocketAddress> TcpSocket::GetName() { return ToSocketAddress(endpoint_->local(), domain()); }

Result<SocketAddress> TcpSocket::GetPeer() {
  const auto remote = endpoint_->remote();
  if (!remote) return Errno(ENOTCONN);
  return ToSocketAddress(*remote, domain());
}

Result<size_t> TcpSocket::Send(Task& task, SendRequest& request) {
  if (request.flags & MSG_FASTOPEN) return Errno(EOPNOTSUPP);
  auto sent = endpoint_->Send(request);
  const bool broken = !sent.ok() && sent.error() == Errno(EPIPE);
  return broken && !(request.flags & MSG_NOSIGNAL) ? BrokenPipe(task) : sent;
}

Result<size_t> TcpSocket::Receive(Task& task, ReceiveRequest& request) {
  if (request.flags & MSG_ERRQUEUE) return Errno(EAGAIN);
  return endpoint_->Receive(request);
}

EventMask TcpSocket::Readiness(EventMask mask) { return endpoint_->Readiness() & (mask | EPOLLERR | EPOLLHUP); }

Result<int64_t> TcpSocket::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  int value;
  switch (request) {
    case FIONREAD:
      if (listening()) return Errno(EINVAL);
      value = static_cast<int>(endpoint_->ReadableBytes());
      break;
    case SIOCOUTQ:
      if (listening()) return Errno(EINVAL);
      value = static_cast<int>(endpoint_->HeldBytes());  // the rest is where the peer reads it
      break;
    case SIOCATMARK:
      value = endpoint_->AtMark();
      break;
    default:
      return InetSocket::Ioctl(task, request, arg);
  }
  TRY(task.CopyOutObject(arg, value));
  return int64_t{0};
}

void TcpSocket::TcpOptionChanged(int name) {
  if (name == TCP_CORK) endpoint_->SetCork(option(IPPROTO_TCP, TCP_CORK));
  if (name == TCP_NODELAY && option(IPPROTO_TCP, TCP_NODELAY)) endpoint_->FlushHeld();
  if (name == TCP_DEFER_ACCEPT) endpoint_->defer_accept_s = options_.at(IPPROTO_TCP, TCP_DEFER_ACCEPT);
}

void TcpSocket::OptionChanged(int level, int name) {
  UpdateReuse(level, name, stack_->tcp(), *endpoint_);
  if (level == IPPROTO_TCP) TcpOptionChanged(name);
  if (level != SOL_SOCKET) return;
  if (name == SO_OOBINLINE) endpoint_->urgent_inline = option(SOL_SOCKET, SO_OOBINLINE);
  if (name == SO_RCVLOWAT) {
    const int wanted = options_.at(SOL_SOCKET, SO_RCVLOWAT);
    endpoint_->low_water = std::clamp<size_t>(wanted < 0 ? SIZE_MAX : wanted, 1, 65536);
  }
  if (name == SO_SNDBUF) endpoint_->SetBuffers(options_.send_buffer, 0);
  if (name == SO_RCVBUF) endpoint_->SetBuffers(0, options_.receive_buffer);
}

// What of tcp_info means something without segments.
tcp_info TcpSocket::Info() const {
  const TcpEndpoint::Status status = endpoint_->status();
  tcp_info info{};
  info.tcpi_state = static_cast<uint8_t>(status.state);
  info.tcpi_options = TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE;
  info.tcpi_snd_wscale = info.tcpi_rcv_wscale = 7;
  info.tcpi_rto = 204000;
  info.tcpi_ato = 40000;
  info.tcpi_snd_mss = 32768;
  info.tcpi_rcv_mss = 536;
  info.tcpi_unacked = status.state == TCP_LISTEN ? static_cast<uint32_t>(status.receive_queue) : 0;
  info.tcpi_sacked = status.state == TCP_LISTEN ? static_cast<uint32_t>(status.send_queue) : 0;
  info.tcpi_pmtu = kLoopbackMtu;
  info.tcpi_rcv_ssthresh = 65483;
  info.tcpi_rtt = info.tcpi_rttvar = 10;
  info.tcpi_snd_ssthresh = 0x7fffffff;
  info.tcpi_snd_cwnd = 10;
  info.tcpi_advmss = 65483;
  info.tcpi_reordering = 3;
  info.tcpi_rcv_space = 65495;
  return info;
}

std::optional<std::string> TcpSocket::GetOwnOption(int level, int name) {
  if (level != IPPROTO_TCP) return std::nullopt;
  if (name == TCP_INFO) return OptionBytes(Info());
  if (name == TCP_CONGESTION) return std::string("cubic\0\0\0\0\0\0\0\0\0\0\0", 16);
  return std::nullopt;
}

// Streams have no groups.
Result<void> TcpSocket::SetOwnOption(int level, int name, std::string_view) {
  const bool v4 = level == IPPROTO_IP && (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP);
  const bool v6 = level == IPPROTO_IPV6 && (name == IPV6_JOIN_GROUP || name == IPV6_LEAVE_GROUP);
  return v4 || v6 ? Errno(EPROTO) : Errno(ENOPROTOOPT);
}

Result<RefPtr<Socket>> NewTcpSocket(Task& task, int domain, int flags) {
  const RefPtr<NetStack> stack = NetStackOf(task);
  return RefPtr<Socket>(Wrap(task, stack, MakeRef<TcpEndpoint>(stack, domain, task.creds()->euid), domain, flags));
}

}  // namespace runsc
