// The socket calls of UDP.
#include "sentry/net/udp_socket.h"

#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>

#include "sentry/fs/sigpipe.h"
#include "sentry/kernel/task.h"
#include "sentry/net/multicast.h"
#include "sentry/net/option_values.h"
#include "sentry/net/timestamp.h"

namespace runsc {
namespace {

constexpr size_t kMaxDatagram = 65507, kMaxDatagram6 = 65487;
constexpr size_t kHeaders = 28;  // of IPv4 and UDP, as lo counts them

// Does a datagram to a group's `port` reach this socket, now that somebody has joined the group?
bool Hears(const UdpEndpoint& endpoint, const Datagram& datagram, uint16_t port) {
  const IpEndpoint local = endpoint.local();
  const auto remote = endpoint.remote();
  if (local.port != port || (!local.address.is_any() && local.address != datagram.to)) return false;
  if (endpoint.family() == AF_INET6 && endpoint.ports().IsV6Only(endpoint)) return false;  // groups are IPv4 here
  if (remote && *remote != datagram.from) return false;
  return endpoint.hears_all_groups || endpoint.IsMember(datagram.to);
}

// Nobody is told when nobody is there.
void DeliverToGroup(const PortTable& ports, uint16_t port, Datagram datagram) {
  const std::vector<RefPtr<PortOwner>> owners = ports.All();
  const auto endpoint_of = [](const RefPtr<PortOwner>& owner) -> UdpEndpoint& {
    return static_cast<UdpEndpoint&>(*owner);
  };
  const bool joined = std::any_of(owners.begin(), owners.end(),
                                  [&](const auto& owner) { return endpoint_of(owner).IsMember(datagram.to); });
  if (!joined) return;
  const auto shared = std::make_shared<const Datagram>(std::move(datagram));
  for (const RefPtr<PortOwner>& owner : owners) {
    if (Hears(endpoint_of(owner), *shared, port)) endpoint_of(owner).Deliver(shared);
  }
}

template <typename T>
ControlItem Item(int level, int type, const T& value) {
  return {level, type, OptionBytes(value)};
}

}  // namespace

const char UdpSocket::kKind = 0;

UdpSocket::UdpSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, RefPtr<UdpEndpoint> endpoint, int type,
                     int protocol, int flags)
    : InetSocket(std::move(inode), std::move(stack), endpoint->family(), type, protocol, flags),
      endpoint_(std::move(endpoint)) {}

Result<void> UdpSocket::Bind(Task& task, const SocketAddress& address) {
  const PortClaim claim = AdjustClaim(TRY(ParseBind(task, address)));
  if (type() == SOCK_RAW) endpoint_->ports().Unbind(*endpoint_);  // which may be bound again
  TRY(endpoint_->ports().Bind(*endpoint_, claim));
  return {};
}

Result<void> UdpSocket::EnsureBound(Task& task) {
  if (bound()) return {};
  const auto result = endpoint_->ports().Bind(*endpoint_, AdjustClaim(Claim(task, {IpAddress::AnyOf(domain()), 0})));
  if (result.ok() || result.error() == Errno(EINVAL)) return {};  // or by another thread
  return Errno(EAGAIN);
}

Result<void> UdpSocket::Connect(Task& task, const SocketAddress& address) {
  if (address.size >= sizeof(sa_family_t) && address.family() == AF_UNSPEC) {
    endpoint_->ports().ClearRemote(*endpoint_);
    endpoint_->SetRemote(std::nullopt);
    return {};
  }
  const IpEndpoint to = TRY(ParseInetAddress(address, domain(), true));
  TRY(CheckFamily(to.address));
  if (to.address.is_broadcast() && !option(SOL_SOCKET, SO_BROADCAST)) return Errno(EACCES);
  const IpAddress source = TRY(SourceFor(to.address));
  TRY(EnsureBound(task));
  const IpEndpoint target{to.address.OrLoopback(), to.port};
  const IpEndpoint from{target.address, has_ports() ? target.port : uint16_t{0}};
  const IpEndpoint local = endpoint_->local();
  TRY(endpoint_->ports().SetRemote(*endpoint_, local.address.is_any() ? source : local.address, from));
  endpoint_->SetRemote(target);
  return {};
}

Result<void> UdpSocket::Shutdown(int how) {
  if (how < SHUT_RD || how > SHUT_RDWR) return Errno(EINVAL);
  const bool connected = has_peer();
  endpoint_->AddShutdown(how + 1);
  return connected ? Result<void>() : Errno(ENOTCONN);
}

Result<SocketAddress> UdpSocket::GetName() { return ToSocketAddress(endpoint_->local(), domain()); }

Result<SocketAddress> UdpSocket::GetPeer() {
  const auto remote = endpoint_->remote();
  if (!remote) return Errno(ENOTCONN);
  return ToSocketAddress(*remote, domain());
}

Result<IpEndpoint> UdpSocket::Destination(SendRequest& request, bool* connected) const {
  if (request.to == nullptr) {
    const auto remote = endpoint_->remote();
    *connected = true;
    return remote ? Result<IpEndpoint>(*remote) : Errno(EDESTADDRREQ);
  }
  SocketAddress to = *request.to;
  if (to.size >= sizeof(sockaddr_in) && to.family() == AF_UNSPEC && domain() == AF_INET) {
    to.storage.ss_family = AF_INET;
  }
  IpEndpoint parsed = TRY(ParseInetAddress(to, domain(), true));
  TRY(CheckFamily(parsed.address));
  if (parsed.port == 0 && has_ports()) return Errno(EINVAL);
  parsed.address = parsed.address.OrLoopback();
  return parsed;
}

// No route leads to a group: the interface was chosen, or is that of the socket's own address. ENETUNREACH.
Result<IpAddress> UdpSocket::SourceFor(const IpAddress& to) const {
  if (!to.is_multicast()) return stack_->Route(to);
  const bool chosen = group_interface_ != 0 || options_.bound_device != 0 || endpoint_->local().address.is_loopback();
  if (!to.is_v4() || !chosen) return Errno(ENETUNREACH);
  return stack_->Route(IpAddress::V4(INADDR_LOOPBACK));
}

Result<void> UdpSocket::ChangeMembership(int level, bool join, std::string_view value) {
  const bool v4 = level == IPPROTO_IP;
  const GroupRequest request = TRY(v4 ? ParseGroup4(value, *stack_) : ParseGroup6(value));
  if (!join) {
    if (v4 && request.any_interface) return Errno(ENODEV);
    return endpoint_->Leave(request.group);
  }
  if (!request.group.is_multicast() || request.group.is_v4() != v4) return Errno(EINVAL);
  return request.present ? endpoint_->Join(request.group) : Errno(ENODEV);
}

std::optional<std::string> UdpSocket::GetOwnOption(int level, int name) {
  if (level == IPPROTO_IP && name == IP_MULTICAST_IF) return OptionBytes(group_address_.load());
  if (level == IPPROTO_IPV6 && name == IPV6_MULTICAST_IF) return OptionBytes(group_interface6_.load());
  return std::nullopt;
}

Result<void> UdpSocket::SetOwnOption(int level, int name, std::string_view value) {
  if (level == IPPROTO_IP && (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP)) {
    return ChangeMembership(level, name == IP_ADD_MEMBERSHIP, value);
  }
  if (level == IPPROTO_IPV6 && (name == IPV6_JOIN_GROUP || name == IPV6_LEAVE_GROUP)) {
    return ChangeMembership(level, name == IPV6_JOIN_GROUP, value);
  }
  if (level == IPPROTO_IP && name == IP_MULTICAST_IF) {
    const OutgoingInterface by = TRY(ParseOutgoing4(value, *stack_));
    group_interface_ = by.index;
    group_address_ = by.address.s_addr;
    return {};
  }
  if (level != IPPROTO_IPV6 || name != IPV6_MULTICAST_IF) return Errno(ENOPROTOOPT);
  const int index = TRY(ParseIntOption(value));
  if (index != 0 && index != kLoopbackIndex) return Errno(ENODEV);
  group_interface6_ = index;
  return {};
}

// The type of service and the source address a message asks for.
Result<void> UdpSocket::ApplyControl(const SendRequest& request, Datagram& datagram) const {
  if (request.control == nullptr) return {};
  for (const ControlItem& item : request.control->items) {
    int value = 0;
    std::memcpy(&value, item.data.data(), std::min(item.data.size(), sizeof(value)));
    if (item.level == IPPROTO_IP && item.type == IP_TOS) {
      datagram.tos = value & 0xff;
    } else if (item.level == IPPROTO_IP && item.type == IP_TTL) {
      datagram.ttl = value;
    } else if (item.level == IPPROTO_IP && item.type == IP_PKTINFO && item.data.size() >= sizeof(in_pktinfo)) {
      in_pktinfo info;
      std::memcpy(&info, item.data.data(), sizeof(info));
      if (info.ipi_spec_dst.s_addr != 0) datagram.from.address = IpAddress::V4(ntohl(info.ipi_spec_dst.s_addr));
      TRY(stack_->CheckLocal(datagram.from.address));
    } else if (item.level == IPPROTO_IPV6 && item.type == IPV6_TCLASS) {
      datagram.tos = value & 0xff;
    } else if (item.level == IPPROTO_IPV6 && item.type == IPV6_HOPLIMIT) {
      datagram.ttl = value;
    } else if (item.level != IPPROTO_IPV6 || item.type != IPV6_PKTINFO) {
      return Errno(EINVAL);
    }
  }
  return {};
}

// Nobody there: the sender hears of it, as by ICMP, if it is connected or asked for such news.
void UdpSocket::Refuse(const IpEndpoint& to, Datagram datagram, bool connected) {
  constexpr uint8_t kUnreachable = 3, kPortUnreachable = 3;    // ICMP
  constexpr uint8_t kUnreachable6 = 1, kPortUnreachable6 = 4;  // ICMPv6
  const bool v4 = to.address.is_v4();
  const bool wanted = v4 ? option(IPPROTO_IP, IP_RECVERR) : option(IPPROTO_IPV6, IPV6_RECVERR);
  if (wanted) {
    endpoint_->QueueError({std::move(datagram), to, ECONNREFUSED, v4 ? kUnreachable : kUnreachable6,
                           v4 ? kPortUnreachable : kPortUnreachable6});
  }
  if (wanted || connected) endpoint_->SetError(ECONNREFUSED);
}

void UdpSocket::CountUnreachable(bool v4, size_t size) {
  constexpr size_t kMost = 576;  // RFC 1812
  endpoint_->Count(v4, NetCount::kUdpNoPort, NetCount::kUdpLiteNoPort);
  stack_->counters(v4).Add(NetCount::kIcmpUnreachable);
  stack_->CountPackets(v4, 1, std::min(2 * kHeaders + size, kMost));
}

void UdpSocket::Dispatch(const IpEndpoint& to, Datagram datagram, bool connected) {
  const bool v4 = to.address.is_v4();
  stack_->CountPackets(v4, 1, datagram.size + kHeaders);
  endpoint_->Count(v4, NetCount::kUdpOut, NetCount::kUdpLiteOut);
  if (to.address.is_multicast()) return DeliverToGroup(endpoint_->ports(), to.port, std::move(datagram));
  const RefPtr<PortOwner> found = endpoint_->ports().Find(to, datagram.from);
  if (found) {
    static_cast<UdpEndpoint&>(*found).Deliver(std::move(datagram));
  } else {
    CountUnreachable(v4, datagram.size);
    Refuse(to, std::move(datagram), connected);
  }
}

Result<size_t> UdpSocket::Send(Task& task, SendRequest& request) {
  if (request.flags & MSG_OOB) return Errno(EOPNOTSUPP);
  bool connected = false;
  const size_t size = request.src.remaining();
  if (size > 0xffff) return Errno(EMSGSIZE);
  const IpEndpoint to = TRY(Destination(request, &connected));
  if (const int error = endpoint_->TakeError()) return Errno(error);
  if (endpoint_->shutdown() & 2) return request.flags & MSG_NOSIGNAL ? Errno(EPIPE) : BrokenPipe(task);
  if (to.address.is_broadcast() && !option(SOL_SOCKET, SO_BROADCAST)) return Errno(EACCES);
  const IpAddress source = TRY(SourceFor(to.address));
  if (size > (to.address.is_v4() ? kMaxDatagram : kMaxDatagram6)) return Errno(EMSGSIZE);
  TRY(EnsureBound(task));
  Datagram datagram;
  datagram.from = endpoint_->local();
  if (datagram.from.address.is_any()) datagram.from.address = source;
  datagram.to = to.address;
  datagram.tos = to.address.is_v4() ? options_.at(IPPROTO_IP, IP_TOS) : options_.at(IPPROTO_IPV6, IPV6_TCLASS);
  datagram.ttl = options_.at(IPPROTO_IP, IP_TTL);
  TRY(ApplyControl(request, datagram));
  datagram.data.reset(new std::byte[std::max<size_t>(size, 1)]);
  if (size > 0) datagram.size = TRY(request.src.Read({datagram.data.get(), size}));
  if (datagram.size != size) return Errno(EFAULT);
  datagram.arrived_ns = Kernel::RealtimeNs();
  TRY(CheckMessage(datagram));
  Dispatch(to, std::move(datagram), connected);
  return size;
}

void UdpSocket::DescribeIp(const Datagram& datagram, ControlData& control) const {
  if (option(IPPROTO_IP, IP_PKTINFO)) {
    in_pktinfo info{};
    info.ipi_ifindex = kLoopbackIndex;
    info.ipi_addr.s_addr = htonl(datagram.to.v4());
    info.ipi_spec_dst.s_addr = datagram.to.is_multicast() ? htonl(INADDR_LOOPBACK) : info.ipi_addr.s_addr;
    control.items.push_back(Item(IPPROTO_IP, IP_PKTINFO, info));
  }
  if (option(IPPROTO_IP, IP_RECVTTL)) control.items.push_back(Item(IPPROTO_IP, IP_TTL, datagram.ttl));
  if (option(IPPROTO_IP, IP_RECVTOS)) {
    control.items.push_back(Item(IPPROTO_IP, IP_TOS, static_cast<uint8_t>(datagram.tos)));
  }
  if (option(IPPROTO_IP, IP_RECVORIGDSTADDR)) {
    const SocketAddress to = ToSocketAddress({datagram.to, endpoint_->local().port}, AF_INET);
    control.items.push_back({IPPROTO_IP, IP_ORIGDSTADDR, {reinterpret_cast<const char*>(&to.storage), to.size}});
  }
}

void UdpSocket::DescribeArrival(const Datagram& datagram, ControlData& control) const {
  if (option(SOL_SOCKET, SO_TIMESTAMPNS)) {
    control.items.push_back(TimestampItem(SO_TIMESTAMPNS, datagram.arrived_ns));
  } else if (option(SOL_SOCKET, SO_TIMESTAMP)) {
    control.items.push_back(TimestampItem(SO_TIMESTAMP, datagram.arrived_ns));
  }
  if (datagram.to.is_v4()) DescribeIp(datagram, control);
  if (domain() != AF_INET6) return;
  if (option(IPPROTO_IPV6, IPV6_RECVPKTINFO)) {
    in6_pktinfo info{};
    info.ipi6_ifindex = kLoopbackIndex;
    std::memcpy(&info.ipi6_addr, datagram.to.bytes.data(), datagram.to.bytes.size());
    control.items.push_back(Item(IPPROTO_IPV6, IPV6_PKTINFO, info));
  }
  if (option(IPPROTO_IPV6, IPV6_RECVHOPLIMIT)) {
    control.items.push_back(Item(IPPROTO_IPV6, IPV6_HOPLIMIT, datagram.ttl));
  }
  if (option(IPPROTO_IPV6, IPV6_RECVTCLASS)) {
    control.items.push_back(Item(IPPROTO_IPV6, IPV6_TCLASS, datagram.tos));
  }
}

// The datagram as it was sent, where to, and why it did not arrive.
Result<size_t> UdpSocket::ReceiveError(ReceiveRequest& request) {
  const std::shared_ptr<const DatagramError> error = TRY(endpoint_->NextError());
  const size_t n = std::min(error->sent.size, request.dst.remaining());
  if (n > 0 && TRY(request.dst.Write({error->sent.data.get(), n})) < n) return Errno(EFAULT);
  if (n < error->sent.size) request.out_flags |= MSG_TRUNC;
  request.out_flags |= MSG_ERRQUEUE;
  request.from = ToSocketAddress(error->to, domain());
  const bool v4 = error->to.address.is_v4();
  sock_extended_err what{};
  what.ee_errno = static_cast<uint32_t>(error->error);
  what.ee_origin = v4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6;
  what.ee_type = error->type;
  what.ee_code = error->code;
  const SocketAddress offender = ToSocketAddress({error->to.address, 0}, v4 ? AF_INET : AF_INET6);
  std::string data = OptionBytes(what);
  data.append(reinterpret_cast<const char*>(&offender.storage), offender.size);
  request.control.items.push_back({v4 ? int{IPPROTO_IP} : int{IPPROTO_IPV6}, v4 ? IP_RECVERR : IPV6_RECVERR, data});
  return n;
}

Result<size_t> UdpSocket::Receive(Task& task, ReceiveRequest& request) {
  if (request.flags & MSG_OOB) return Errno(EOPNOTSUPP);
  if (request.flags & MSG_ERRQUEUE) return ReceiveError(request);
  const std::shared_ptr<const Datagram> datagram = TRY(endpoint_->Next(request.flags & MSG_PEEK));
  if (datagram == nullptr) return size_t{0};
  const size_t wanted = std::min(datagram->size, request.dst.remaining());
  size_t n = 0;
  if (wanted > 0) n = TRY(request.dst.Write({datagram->data.get(), wanted}));
  if (n < wanted) return Errno(EFAULT);
  if (n < datagram->size) request.out_flags |= MSG_TRUNC;
  if (!(request.flags & MSG_PEEK)) endpoint_->Count(datagram->to.is_v4(), NetCount::kUdpIn, NetCount::kUdpLiteIn);
  request.from = ToSocketAddress(datagram->from, domain());
  if (request.wants_control && options_.wants_control()) DescribeArrival(*datagram, request.control);
  return request.flags & MSG_TRUNC ? datagram->size : n;
}

Result<int64_t> UdpSocket::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  int value = 0;
  if (request == FIONREAD) {
    value = static_cast<int>(endpoint_->FirstSize());
  } else if (request != SIOCOUTQ) {
    return InetSocket::Ioctl(task, request, arg);
  }
  TRY(task.CopyOutObject(arg, value));
  return int64_t{0};
}

void UdpSocket::OptionChanged(int level, int name) {
  UpdateReuse(level, name, endpoint_->ports(), *endpoint_);
  if (level == SOL_SOCKET && name == SO_RCVBUF) endpoint_->receive_buffer = options_.receive_buffer.load();
  if (level == IPPROTO_IP && name == IP_MULTICAST_ALL) endpoint_->hears_all_groups = option(level, name);
}

Result<RefPtr<Socket>> NewUdpSocket(Task& task, int domain, int protocol, int flags) {
  RefPtr<NetStack> stack = NetStackOf(task);
  RefPtr<AnonInode> inode = NewSocketInode(task);
  PortTable& ports = protocol == IPPROTO_UDP ? stack->udp() : stack->udplite();
  RefPtr<UdpEndpoint> endpoint = MakeRef<UdpEndpoint>(stack, ports, domain, task.creds()->euid);
  endpoint->ino = inode->ino();
  return RefPtr<Socket>(MakeRef<UdpSocket>(std::move(inode), std::move(stack), std::move(endpoint), SOCK_DGRAM,
                                           protocol, flags & O_NONBLOCK));
}

}  // namespace runsc
