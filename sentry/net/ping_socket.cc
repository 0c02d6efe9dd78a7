#include "sentry/net/ping_socket.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>

#include <algorithm>
#include <cstring>

#include "sentry/kernel/task.h"
#include "sentry/net/icmp.h"

namespace runsc {
namespace {

bool MayPing(const Credentials& creds, const NetSettings::Groups& allowed) {
  const auto in_range = [&](gid_t gid) { return allowed.first <= gid && gid <= allowed.last; };
  return in_range(creds.egid) || std::any_of(creds.groups.begin(), creds.groups.end(), in_range);
}

}  // namespace

// Its identifier is shared with others unless SO_REUSEADDR is taken back.
PingSocket::PingSocket(RefPtr<AnonInode> inode, RefPtr<NetStack> stack, RefPtr<UdpEndpoint> endpoint, int protocol,
                       int flags)
    : UdpSocket(std::move(inode), std::move(stack), std::move(endpoint), SOCK_DGRAM, protocol, flags) {
  (void)options_.Set(SOL_SOCKET, SO_REUSEADDR, domain(), protocol, 1);
}

PortClaim PingSocket::AdjustClaim(PortClaim claim) const {
  claim.v6_only = true;
  return claim;
}

// The kernel writes the identifier and the checksum. EINVAL: no echo request.
Result<void> PingSocket::CheckMessage(Datagram& datagram) const {
  const int wanted = domain() == AF_INET ? ICMP_ECHO : ICMPV6_ECHO_REQUEST;
  if (datagram.size < kIcmpHeader) return Errno(EINVAL);
  if (static_cast<int>(datagram.data[0]) != wanted || static_cast<int>(datagram.data[1]) != 0) return Errno(EINVAL);
  const uint16_t id = htons(datagram.from.port);
  std::memcpy(datagram.data.get() + kIcmpEchoIdAt, &id, sizeof(id));
  SetIcmpChecksum(datagram);
  return {};
}

void PingSocket::Dispatch(const IpEndpoint&, Datagram datagram, bool) { CarryIcmp(*stack_, std::move(datagram)); }

void DeliverToPing(NetStack& stack, Datagram reply) {
  uint16_t id;
  std::memcpy(&id, reply.data.get() + kIcmpEchoIdAt, sizeof(id));
  const RefPtr<PortOwner> found = stack.ping().Find({reply.to, ntohs(id)}, {reply.from.address, 0});
  if (!found) return;
  reply.from.port = 0;
  static_cast<UdpEndpoint&>(*found).Deliver(std::move(reply));
}

Result<RefPtr<Socket>> NewPingSocket(Task& task, int domain, int protocol, int flags) {
  const RefPtr<NetStack> stack = NetStackOf(task);
  if (!MayPing(*task.creds(), stack->settings().ping_groups())) return Errno(EACCES);
  RefPtr<AnonInode> inode = NewSocketInode(task);
  auto endpoint = MakeRef<UdpEndpoint>(stack, stack->ping(), domain, task.creds()->euid);
  endpoint->ino = inode->ino();
  return RefPtr<Socket>(
      MakeRef<PingSocket>(std::move(inode), stack, std::move(endpoint), protocol, flags & O_NONBLOCK));
}

}  // namespace runsc
