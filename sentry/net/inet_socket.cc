// Options and address checks that TCP and UDP share.
#include "sentry/net/inet_socket.h"

#include <algorithm>
#include <cstring>

#include "sentry/kernel/task.h"
#include "sentry/net/host_socket.h"
#include "sentry/net/icmp_socket.h"
#include "sentry/net/interfaces.h"
#include "sentry/net/option_values.h"
#include "sentry/net/ping_socket.h"
#include "sentry/net/tcp_socket.h"
#include "sentry/net/udp_socket.h"

namespace runsc {
namespace {

// IP options may be given as a single byte.
Result<int> ParseNumber(int level, std::string_view value) {
  if (value.size() >= sizeof(int) || level != IPPROTO_IP) return ParseIntOption(value);
  if (value.empty()) return Errno(EINVAL);
  return static_cast<unsigned char>(value[0]);
}

}  // namespace

bool InetSocket::has_ports() const { return protocol() != IPPROTO_ICMP && protocol() != IPPROTO_ICMPV6; }

PortClaim InetSocket::Claim(Task& task, const IpEndpoint& local) const {
  PortClaim claim;
  claim.local = local;
  claim.v6_socket = domain() == AF_INET6;
  claim.v6_only = v6_only();
  claim.reuse_address = option(SOL_SOCKET, SO_REUSEADDR);
  claim.reuse_port = option(SOL_SOCKET, SO_REUSEPORT);
  claim.uid = task.creds()->euid;
  return claim;
}

void InetSocket::UpdateReuse(int level, int name, PortTable& ports, PortOwner& owner) const {
  if (level != SOL_SOCKET || (name != SO_REUSEADDR && name != SO_REUSEPORT)) return;
  ports.SetReuse(owner, option(SOL_SOCKET, SO_REUSEADDR), option(SOL_SOCKET, SO_REUSEPORT));
}

Result<PortClaim> InetSocket::ParseBind(Task& task, const SocketAddress& address) const {
  SocketAddress given = address;
  // An unspecified family with the unspecified address is IPv4, for old programs.
  if (domain() == AF_INET && given.size >= sizeof(sockaddr_in) && given.family() == AF_UNSPEC) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&given.storage);
    if (in->sin_addr.s_addr == INADDR_ANY) given.storage.ss_family = AF_INET;
  }
  const IpEndpoint local = TRY(ParseInetAddress(given, domain()));
  if (v6_only() && local.address.is_v4()) return Errno(EINVAL);
  const bool v4 = local.address.is_v4();
  const bool free_bind = option(IPPROTO_IP, IP_FREEBIND) ||
                         (domain() == AF_INET6 && option(IPPROTO_IPV6, IPV6_FREEBIND)) ||
                         stack_->settings().at(v4 ? NetSetting::kNonlocalBind : NetSetting::kNonlocalBind6) != 0;
  const bool group = type() == SOCK_DGRAM && (local.address.is_multicast() || local.address.is_broadcast());
  if (!free_bind && !group) TRY(stack_->CheckLocal(local.address));
  const bool reserved =
      has_ports() && local.port != 0 && local.port < stack_->settings().at(NetSetting::kFirstOpenPort);
  if (reserved && !stack_->Allows(task, CAP_NET_BIND_SERVICE)) return Errno(EACCES);
  return Claim(task, local);
}

Result<void> InetSocket::CheckFamily(const IpAddress& to) const {
  if (v6_only() && to.is_v4()) return Errno(ENETUNREACH);
  return {};
}

std::optional<int> InetSocket::GetSocketInt(int name) {
  switch (name) {
    case SO_TYPE:
      return type();
    case SO_DOMAIN:
      return domain();
    case SO_PROTOCOL:
      return protocol();
    case SO_ERROR:
      return TakeError();
    case SO_ACCEPTCONN:
      return listening();
    case SO_SNDBUF:
      return options_.send_buffer.load();
    case SO_RCVBUF:
      return options_.receive_buffer.load();
    case SO_SNDLOWAT:
      return 1;
    case SO_BINDTOIFINDEX:
      return options_.bound_device.load();
    default:
      return options_.Get(SOL_SOCKET, name, domain(), protocol());
  }
}

Result<std::string> InetSocket::GetSocketOption(int name) {
  if (const auto value = GetSocketInt(name)) return OptionBytes(*value);
  switch (name) {
    case SO_RCVTIMEO:
      return TimeoutOption(options_.receive_timeout_ns);
    case SO_SNDTIMEO:
      return TimeoutOption(options_.send_timeout_ns);
    case SO_LINGER:
      return LingerOption(options_.linger_seconds);
    case SO_COOKIE:
      return OptionBytes(uint64_t{ino()});
    case SO_BINDTODEVICE:
      return options_.bound_device != 0 ? std::string("lo", 3) : std::string();
    case SO_PEERCRED:
      return OptionBytes(ucred{0, ~uid_t{0}, ~gid_t{0}});
    default:
      return Errno(ENOPROTOOPT);
  }
}

Result<std::string> InetSocket::GetOption(Task& task, int level, int name) {
  if (level == SOL_SOCKET) return GetSocketOption(name);
  if (level != IPPROTO_IP && level != IPPROTO_IPV6 && level != protocol()) return Errno(EOPNOTSUPP);
  if (level == IPPROTO_IPV6 && domain() != AF_INET6) return Errno(EOPNOTSUPP);
  if (const auto value = options_.Get(level, name, domain(), protocol())) return OptionBytes(*value);
  if (auto own = GetOwnOption(level, name)) return std::move(*own);
  const bool mtu = level == IPPROTO_IP ? name == IP_MTU : level == IPPROTO_IPV6 && name == IPV6_MTU;
  if (!mtu) return Errno(ENOPROTOOPT);
  if (!has_peer()) return Errno(ENOTCONN);
  return OptionBytes(kLoopbackMtu);
}

// What only some may set, or only at some time.
Result<void> InetSocket::CheckSet(Task& task, int level, int name) const {
  if (level == SOL_SOCKET && name == SO_MARK && !stack_->Allows(task, CAP_NET_ADMIN)) return Errno(EPERM);
  if (level == SOL_SOCKET && name == SO_DEBUG && !task.creds()->Has(CAP_NET_ADMIN)) return Errno(EACCES);
  if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && bound()) return Errno(EINVAL);
  return {};
}

Result<void> InetSocket::SetBuffer(Task& task, int name, int value) {
  const bool forced = name == SO_SNDBUFFORCE || name == SO_RCVBUFFORCE;
  if (forced && !task.creds()->Has(CAP_NET_ADMIN)) return Errno(EPERM);
  const bool send = name == SO_SNDBUF || name == SO_SNDBUFFORCE;
  (send ? options_.send_buffer : options_.receive_buffer) = BufferSizeOption(value, forced);
  OptionChanged(SOL_SOCKET, send ? SO_SNDBUF : SO_RCVBUF);
  return {};
}

Result<void> InetSocket::SetDevice(std::string_view name) {
  name = name.substr(0, name.find('\0'));
  if (!name.empty() && name != "lo") return Errno(ENODEV);
  options_.bound_device = name.empty() ? 0 : kLoopbackIndex;
  return {};
}

Result<void> InetSocket::SetSocketOption(Task& task, int name, std::string_view value) {
  switch (name) {
    case SO_RCVTIMEO:
      options_.receive_timeout_ns = TRY(ParseTimeoutOption(value));
      return {};
    case SO_SNDTIMEO:
      options_.send_timeout_ns = TRY(ParseTimeoutOption(value));
      return {};
    case SO_LINGER:
      options_.linger_seconds = TRY(ParseLingerOption(value));
      return {};
    case SO_BINDTODEVICE:
      return SetDevice(value);
    case SO_SNDBUF:
    case SO_RCVBUF:
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE:
      return SetBuffer(task, name, TRY(ParseIntOption(value)));
    default:
      return Errno(ENOPROTOOPT);
  }
}

Result<void> InetSocket::SetOption(Task& task, int level, int name, std::string_view value) {
  if (level != SOL_SOCKET && level != IPPROTO_IP && level != IPPROTO_IPV6 && level != protocol()) {
    return Errno(ENOPROTOOPT);
  }
  if (level == IPPROTO_IPV6 && domain() != AF_INET6) return Errno(ENOPROTOOPT);
  if (options_.Get(level, name, domain(), protocol())) {
    TRY(CheckSet(task, level, name));
    TRY(options_.Set(level, name, domain(), protocol(), TRY(ParseNumber(level, value))));
    OptionChanged(level, name);
    return {};
  }
  if (level == SOL_SOCKET) return SetSocketOption(task, name, value);
  if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
    const std::string_view algorithm = value.substr(0, value.find('\0'));
    return algorithm == "cubic" || algorithm == "reno" ? Result<void>() : Errno(ENOENT);
  }
  return SetOwnOption(level, name, value);
}

Result<int64_t> InetSocket::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  return InterfaceIoctl(task, *stack_, request, arg);
}

Result<RefPtr<Socket>> NewInetSocket(Task& task, int domain, int type, int protocol) {
  const int flags = type & SOCK_NONBLOCK;
  type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (protocol < 0 || protocol > 262) return Errno(EINVAL);
  RefPtr<NetStack> stack = NetStackOf(task);
  if (stack->host()) return NewHostSocket(task, std::move(stack), domain, type, protocol, flags);
  if (type == SOCK_STREAM) {
    if (protocol != 0 && protocol != IPPROTO_TCP) return Errno(EPROTONOSUPPORT);
    return NewTcpSocket(task, domain, flags);
  }
  if (type == SOCK_DGRAM) {
    const int ping = domain == AF_INET ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
    if (protocol == ping) return NewPingSocket(task, domain, protocol, flags);
    if (protocol == 0) protocol = IPPROTO_UDP;
    if (protocol != IPPROTO_UDP && protocol != IPPROTO_UDPLITE) return Errno(EPROTONOSUPPORT);
    return NewUdpSocket(task, domain, protocol, flags);
  }
  const int icmp = domain == AF_INET ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  if (type == SOCK_RAW && protocol == icmp) return NewIcmpSocket(task, domain, protocol, flags);
  if (type == SOCK_RAW && protocol == 0) return Errno(EPROTONOSUPPORT);  // it is no protocol
  if (type == SOCK_RAW) return stack->Allows(task, CAP_NET_RAW) ? Errno(EPROTONOSUPPORT) : Errno(EPERM);
  return Errno(ESOCKTNOSUPPORT);
}

}  // namespace runsc
