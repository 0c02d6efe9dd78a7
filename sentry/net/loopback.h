// The loopback interface of one network namespace: whether it is up, and its addresses.
#pragma once

#include <atomic>
#include <optional>
#include <vector>

#include "platform/base/mutex.h"
#include "sentry/net/ip_address.h"

namespace runsc {

inline constexpr int kLoopbackIndex = 1;
inline constexpr int kLoopbackMtu = 65536;
inline constexpr char kLoopbackName[] = "lo";

struct InterfaceAddress {
  IpAddress address;
  uint8_t prefix = 0;  // bits, of the address' family
  bool operator==(const InterfaceAddress&) const = default;
};

class Loopback {
 public:
  bool up() const { return up_.load(std::memory_order_relaxed); }
  // Coming up, it gets 127.0.0.1/8 and ::1; going down it loses the addresses of IPv6.
  void SetUp(bool up);
  // Without IPv6 it has no addresses of it, and gets none; with it again it has ::1 (disable_ipv6).
  void AllowV6(bool allowed);

  std::vector<InterfaceAddress> addresses() const;
  // EEXIST; EACCES: no IPv6; EINVAL: a prefix longer than the address.
  Result<void> Add(const InterfaceAddress& address);
  // EADDRNOTAVAIL: it has no such address.
  Result<void> Remove(const InterfaceAddress& address);

  // The interface's own address by which it reaches `to`; nothing: `to` is not local. All that an IPv4 prefix of
  // a loopback interface covers is.
  std::optional<IpAddress> SourceFor(const IpAddress& to) const;
  // No IPv4 address was ever set. Linux then knows of no local ones, and lets sockets bind to any.
  bool untouched() const { return !touched_.load(std::memory_order_relaxed); }

 private:
  void AddLocked(const InterfaceAddress& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DropV6Locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_{LockRank::kSocket};
  std::vector<InterfaceAddress> addresses_ ABSL_GUARDED_BY(mu_);
  bool v6_allowed_ ABSL_GUARDED_BY(mu_) = true;
  std::atomic<bool> up_{false}, touched_{false};
};

}  // namespace runsc
