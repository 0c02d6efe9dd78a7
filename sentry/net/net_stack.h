// The Internet protocols of one network namespace: today its loopback interface alone. Sockets reach the
// network through here only, so that a stack for real links takes its place behind Route().
#pragma once

#include "sentry/net/port_table.h"

namespace runsc {

inline constexpr int kLoopbackIndex = 1;
inline constexpr int kLoopbackMtu = 65536;

class NetStack : public RefCounted {
 public:
  // The sandbox's. Never destroyed.
  static NetStack& Get();

  PortTable& tcp() { return tcp_; }
  PortTable& udp() { return udp_; }
  PortTable& udplite() { return udplite_; }

  // The source address for packets to `to` (unspecified means loopback). ENETUNREACH.
  Result<IpAddress> Route(const IpAddress& to) const;
  // EADDRNOTAVAIL: not an address of ours.
  Result<void> CheckLocal(const IpAddress& address) const;

  // What went over lo, for its counters.
  void CountPackets(uint64_t packets, uint64_t bytes) {
    packets_.fetch_add(packets, std::memory_order_relaxed);
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  uint64_t packets() const { return packets_.load(std::memory_order_relaxed); }
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  NetStack() = default;
  PortTable tcp_{PortTable::Rules::kStream}, udp_{PortTable::Rules::kDatagram},
      udplite_{PortTable::Rules::kDatagram};
  std::atomic<uint64_t> packets_{0}, bytes_{0};
};

}  // namespace runsc
