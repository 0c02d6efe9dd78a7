// Ping sockets (icmp(7)): echo requests and their replies, for those in net.ipv4.ping_group_range.
#pragma once

#include "sentry/net/udp_socket.h"

namespace runsc {

// The number that ports are for others is the identifier of its echoes.
class PingSocket : public UdpSocket {
 public:
  PingSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, RefPtr<UdpEndpoint> endpoint, int protocol, int flags);

 protected:
  PortClaim AdjustClaim(PortClaim claim) const override;  // the two protocols have their own numbers
  Result<void> CheckMessage(Datagram& datagram) const override;
  void Dispatch(const IpEndpoint& to, Datagram datagram, bool connected) override;
};

// An echo reply to who asked.
void DeliverToPing(NetStack& stack, Datagram reply);

// `protocol`: IPPROTO_ICMP for AF_INET, IPPROTO_ICMPV6 for AF_INET6. EACCES: no group of the task's may have one.
Result<RefPtr<Socket>> NewPingSocket(Task& task, int domain, int protocol, int flags);

}  // namespace runsc
