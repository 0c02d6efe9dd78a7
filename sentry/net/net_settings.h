// The settings of a network namespace that /proc/sys/net shows.
#pragma once

#include <array>
#include <atomic>
#include <climits>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "platform/base/mutex.h"
#include "platform/base/result.h"

namespace runsc {

// The numbers that something here goes by; those only kept have the indices after them.
struct NetSetting {
  enum : size_t {
#define ACTS(name, path, least, most, initial) name,
#define KEPT(...)
#define CONF4(...)
#define CONF6(...)
#include "sentry/net/net_settings.inc"
#undef ACTS
#undef KEPT
#undef CONF4
#undef CONF6
    kFirstKept
  };
};

struct NetSettingRow {
  const char* path;  // below net/
  int least, most, initial;
};
std::span<const NetSettingRow> NetSettingRows();

// Ports for those who ask for none. Ranges have both ends.
struct LocalPorts {
  using Range = std::pair<uint16_t, uint16_t>;
  Range range{32768, 60999};    // net.ipv4.ip_local_port_range
  std::vector<Range> reserved;  // net.ipv4.ip_local_reserved_ports, in order and apart

  bool IsReserved(uint16_t port) const;
};

class NetSettings {
 public:
  NetSettings();
  int at(size_t setting) const { return values_[setting].load(std::memory_order_relaxed); }
  // EINVAL: out of bounds. Of all interfaces' forwarding and disable_ipv6, those of each follow.
  Result<void> Set(size_t setting, int value);

  std::shared_ptr<const LocalPorts> local_ports() const;
  // EINVAL: the ends are the wrong way round, or below what is open to all.
  Result<void> SetPortRange(LocalPorts::Range range);
  void SetReservedPorts(std::vector<LocalPorts::Range> reserved);

  // Who may have ping sockets: groups from `first` to `second`, both included.
  struct Groups {
    uint32_t first = 1, last = 0;
  };
  Groups ping_groups() const { return ping_groups_.load(std::memory_order_relaxed); }
  void set_ping_groups(Groups groups) { ping_groups_.store(groups, std::memory_order_relaxed); }

  // net.ipv4.tcp_rmem and tcp_wmem: least, default and largest.
  using Buffer = std::array<int, 3>;
  Buffer receive_buffer() const;
  Buffer send_buffer() const;
  void set_receive_buffer(const Buffer& buffer);
  void set_send_buffer(const Buffer& buffer);

 private:
  std::vector<std::atomic<int>> values_;
  std::atomic<Groups> ping_groups_{Groups()};
  mutable Mutex mu_{LockRank::kSocket};
  std::shared_ptr<const LocalPorts> local_ports_ ABSL_GUARDED_BY(mu_);
  Buffer receive_buffer_ ABSL_GUARDED_BY(mu_){4096, 131072, 6291456};
  Buffer send_buffer_ ABSL_GUARDED_BY(mu_){4096, 16384, 4194304};
};

}  // namespace runsc
