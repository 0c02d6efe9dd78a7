#include "sentry/net/icmp_socket.h"

#include <netinet/ip.h>

#include <algorithm>
#include <cstring>

#include "sentry/kernel/task.h"
#include "sentry/net/icmp.h"
#include "sentry/net/option_values.h"

namespace runsc {
namespace {

constexpr int kSolRaw = 255;
constexpr int kIcmpFilter = 1, kIcmp6Filter = 1, kIpv6Checksum = 7;
constexpr size_t kIcmp6FilterSize = 32;

using Message = std::span<const std::byte>;

std::unique_ptr<std::byte[]> Copy(Message header, Message body) {
  std::unique_ptr<std::byte[]> out(new std::byte[header.size() + body.size()]);
  std::copy(header.begin(), header.end(), out.get());
  std::copy(body.begin(), body.end(), out.get() + header.size());
  return out;
}

iphdr HeaderFor(const Datagram& message) {
  iphdr ip{};
  ip.version = 4;
  ip.ihl = sizeof(ip) / 4;
  ip.tos = static_cast<uint8_t>(message.tos);
  ip.tot_len = htons(static_cast<uint16_t>(sizeof(ip) + message.size));
  ip.ttl = static_cast<uint8_t>(message.ttl);
  ip.protocol = IPPROTO_ICMP;
  ip.saddr = htonl(message.from.address.v4());
  ip.daddr = htonl(message.to.v4());
  ip.check = InternetChecksum(std::as_bytes(std::span(&ip, 1)));
  return ip;
}

// As a raw socket reads it: IPv4 with its header.
Datagram Received(const Datagram& message) {
  Datagram out;
  out.from = {message.from.address, 0};
  out.to = message.to;
  out.tos = message.tos;
  out.ttl = message.ttl;
  out.arrived_ns = message.arrived_ns;
  const Message body(message.data.get(), message.size);
  const bool v4 = message.to.is_v4();
  const iphdr ip = v4 ? HeaderFor(message) : iphdr{};
  const Message header = v4 ? std::as_bytes(std::span(&ip, 1)) : Message();
  out.data = Copy(header, body);
  out.size = header.size() + body.size();
  return out;
}

bool Wants(const IcmpEndpoint& endpoint, const Datagram& message) {
  if ((endpoint.family() == AF_INET) != message.to.is_v4()) return false;
  const IpAddress local = endpoint.local().address;
  const auto remote = endpoint.remote();
  if (!local.is_any() && local != message.to) return false;
  if (remote && remote->address != message.from.address) return false;
  return message.size == 0 || !endpoint.Blocks(static_cast<uint8_t>(message.data[0]));
}

}  // namespace

void DeliverToRaw(NetStack& stack, const Datagram& message) {
  for (const RefPtr<PortOwner>& owner : stack.raw().All()) {
    auto& endpoint = static_cast<IcmpEndpoint&>(*owner);
    if (Wants(endpoint, message)) endpoint.Deliver(Received(message));
  }
}

void IcmpEndpoint::SetFilter(std::string_view value) {
  for (size_t i = 0; i < blocked_.size() && (i + 1) * sizeof(uint32_t) <= value.size(); ++i) {
    uint32_t word;
    std::memcpy(&word, value.data() + i * sizeof(word), sizeof(word));
    blocked_[i] = word;
  }
}

std::string IcmpEndpoint::filter(size_t size) const {
  std::string out;
  for (const auto& word : blocked_) out += OptionBytes(word.load());
  return out.substr(0, size);
}

IcmpSocket::IcmpSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, RefPtr<IcmpEndpoint> endpoint, int protocol,
                       int flags)
    : UdpSocket(std::move(inode), std::move(stack), endpoint, SOCK_RAW, protocol, flags), icmp_(std::move(endpoint)) {}

PortClaim IcmpSocket::AdjustClaim(PortClaim claim) const {
  claim.local.port = static_cast<uint16_t>(protocol());
  claim.v6_only = true;
  claim.reuse_address = true;
  return claim;
}

Result<void> IcmpSocket::CheckMessage(Datagram& datagram) const {
  if (domain() == AF_INET) return {};  // the sender makes the checksum
  if (datagram.size < kIcmpChecksumAt + sizeof(uint16_t)) return Errno(EINVAL);
  SetIcmpChecksum(datagram);
  return {};
}

void IcmpSocket::Dispatch(const IpEndpoint&, Datagram datagram, bool) { CarryIcmp(*stack_, std::move(datagram)); }

Result<std::string> IcmpSocket::GetOption(Task& task, int level, int name) {
  if (domain() == AF_INET && level == kSolRaw && name == kIcmpFilter) return icmp_->filter(sizeof(uint32_t));
  if (domain() == AF_INET6 && level == IPPROTO_ICMPV6 && name == kIcmp6Filter) return icmp_->filter(kIcmp6FilterSize);
  if (level == kSolRaw) return Errno(ENOPROTOOPT);
  return UdpSocket::GetOption(task, level, name);
}

Result<void> IcmpSocket::SetOption(Task& task, int level, int name, std::string_view value) {
  const bool v4_filter = domain() == AF_INET && level == kSolRaw && name == kIcmpFilter;
  const bool v6_filter = domain() == AF_INET6 && level == IPPROTO_ICMPV6 && name == kIcmp6Filter;
  if (v4_filter || v6_filter) {
    icmp_->SetFilter(value);
    return {};
  }
  // ICMPv6 checksums are the kernel's, always.
  if (domain() == AF_INET6 && level == kSolRaw && name == kIpv6Checksum) {
    return TRY(ParseIntOption(value)) == static_cast<int>(kIcmpChecksumAt) ? Result<void>() : Errno(EINVAL);
  }
  return UdpSocket::SetOption(task, level, name, value);
}

Result<RefPtr<Socket>> NewIcmpSocket(Task& task, int domain, int protocol, int flags) {
  RefPtr<NetStack> stack = NetStackOf(task);
  if (!stack->Allows(task, CAP_NET_RAW)) return Errno(EPERM);
  RefPtr<AnonInode> inode = NewSocketInode(task);
  auto endpoint = MakeRef<IcmpEndpoint>(stack, stack->raw(), domain, task.creds()->euid);
  endpoint->ino = inode->ino();
  auto socket =
      MakeRef<IcmpSocket>(std::move(inode), std::move(stack), std::move(endpoint), protocol, flags & O_NONBLOCK);
  TRY(socket->EnsureBound(task));  // it receives from the start
  return RefPtr<Socket>(std::move(socket));
}

}  // namespace runsc
