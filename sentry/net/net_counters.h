// What /proc/net/snmp, snmp6 and netstat count.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace runsc {

enum class NetCount {
  kPackets,  // over lo, each sent and received
  kOctets,
  kUdpIn,
  kUdpOut,
  kUdpNoPort,
  kUdpDropped,  // for want of room in a receive buffer
  kUdpLiteIn,
  kUdpLiteOut,
  kUdpLiteNoPort,
  kUdpLiteDropped,
  kIcmpUnreachable,
  kIcmpEcho,
  kIcmpReply,
  kIcmpOther,
  // TCP's are not told by family.
  kTcpActiveOpens,
  kTcpPassiveOpens,
  kTcpAttemptFails,
  kTcpResets,  // of established connections
  kTcpSentResets,
  kTcpSegments,
  kTcpDataSegments,
  kTcpListenOverflows,
  kTcpDeferred,
  kTcpAbortsOnClose,  // closed with bytes unread
  kTcpAbortsOnData,   // closed by SO_LINGER of 0
  kNumber,
};

// Of one address family.
class NetCounters {
 public:
  void Add(NetCount what, uint64_t n = 1) { At(what).fetch_add(n, std::memory_order_relaxed); }
  uint64_t operator[](NetCount what) const {
    return counts_[static_cast<size_t>(what)].load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t>& At(NetCount what) { return counts_[static_cast<size_t>(what)]; }
  std::array<std::atomic<uint64_t>, static_cast<size_t>(NetCount::kNumber)> counts_{};
};

}  // namespace runsc
