// Raw sockets for ICMP and ICMPv6 over loopback.
#pragma once

#include "sentry/net/udp_socket.h"

namespace runsc {

class IcmpEndpoint : public UdpEndpoint {
 public:
  using UdpEndpoint::UdpEndpoint;
  bool Blocks(uint8_t type) const { return blocked_[type / 32].load(std::memory_order_relaxed) >> (type % 32) & 1; }
  // ICMP_FILTER or ICMP6_FILTER: a bit for each type that is not wanted. As many words as there are.
  void SetFilter(std::string_view value);
  std::string filter(size_t size) const;

 private:
  std::array<std::atomic<uint32_t>, 8> blocked_{};
};

class IcmpSocket : public UdpSocket {
 public:
  IcmpSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, RefPtr<IcmpEndpoint> endpoint, int protocol, int flags);

  Result<std::string> GetOption(Task& task, int level, int name) override;
  Result<void> SetOption(Task& task, int level, int name, std::string_view value) override;

 protected:
  // The protocol takes the place of the port, and any number of sockets may have it.
  PortClaim AdjustClaim(PortClaim claim) const override;
  Result<void> CheckMessage(Datagram& datagram) const override;
  void Dispatch(const IpEndpoint& to, Datagram datagram, bool connected) override;

 private:
  const RefPtr<IcmpEndpoint> icmp_;
};

// A copy to every raw socket that wants it.
void DeliverToRaw(NetStack& stack, const Datagram& message);

// `protocol`: IPPROTO_ICMP for AF_INET, IPPROTO_ICMPV6 for AF_INET6. EPERM without CAP_NET_RAW.
Result<RefPtr<Socket>> NewIcmpSocket(Task& task, int domain, int protocol, int flags);

}  // namespace runsc
