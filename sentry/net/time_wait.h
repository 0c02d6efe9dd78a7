// Ends of TCP connections that outlive their sockets (tcp(7)), so that their addresses stay taken: in FIN_WAIT2 until
// the other end is over too, then in TIME_WAIT for a minute.
#pragma once

#include <map>
#include <set>
#include <span>
#include <tuple>
#include <vector>

#include "sentry/net/port_claim.h"

namespace runsc {

struct TimeWait {
  static constexpr int64_t kLengthNs = 60'000'000'000;  // TCP_TIMEWAIT_LEN

  PortClaim claim;  // with the address it is connected from
  IpEndpoint remote;
  int state = 0;  // TCP_FIN_WAIT2 or TCP_TIME_WAIT
  int64_t until_ns = 0;
};

// Not locked: whose it is does that.
class TimeWaitTable {
 public:
  // In the place of what has the same addresses.
  void Add(const TimeWait& wait);
  void Remove(const IpEndpoint& local, const IpEndpoint& remote);
  // Forgets those whose time is over.
  void Expire(int64_t now_ns);

  const TimeWait* Find(const IpEndpoint& local, const IpEndpoint& remote) const;
  // Whether `yes` is true of any with this local port.
  template <typename Predicate>
  bool AnyAt(uint16_t port, Predicate yes) const {
    for (auto it = waits_.lower_bound({port, {}, {}}); it != waits_.end(); ++it) {
      if (std::get<0>(it->first) != port) break;
      if (yes(it->second)) return true;
    }
    return false;
  }
  std::vector<TimeWait> All() const;
  // How many were in TIME_WAIT to the end of its time.
  uint64_t ended() const { return ended_; }
  size_t size() const { return waits_.size(); }

 private:
  using Key = std::tuple<uint16_t, IpAddress, IpEndpoint>;  // local port first
  static Key KeyOf(const IpEndpoint& local, const IpEndpoint& remote) { return {local.port, local.address, remote}; }

  std::map<Key, TimeWait> waits_;
  std::set<std::pair<int64_t, Key>> by_end_;
  uint64_t ended_ = 0;
};

}  // namespace runsc
