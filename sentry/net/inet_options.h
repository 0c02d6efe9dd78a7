// The options of an Internet socket that are single numbers. An accepted socket copies its listener's.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <optional>

#include "platform/base/result.h"
#include "sentry/net/net_settings.h"

namespace runsc {

class InetOptions {
 public:
  // Of a new socket in the namespace that has these settings.
  InetOptions(const NetSettings& settings, int protocol);
  void CopyFrom(const InetOptions& other);

  // Nothing: no such option for the family and protocol.
  std::optional<int> Get(int level, int name, int family, int protocol) const;
  // False: no such option. EINVAL: out of bounds.
  Result<bool> Set(int level, int name, int family, int protocol, int value);
  // Of an option that exists.
  int at(int level, int name) const;
  bool on(int level, int name) const { return at(level, name) != 0; }
  // Any option of those that make a received message carry ancillary data.
  bool wants_control() const { return wants_control_.load(std::memory_order_relaxed); }

  std::atomic<int64_t> receive_timeout_ns{0}, send_timeout_ns{0};
  std::atomic<int> linger_seconds{-1};
  std::atomic<int> send_buffer, receive_buffer;
  std::atomic<int> bound_device{0};

 private:
  static constexpr int kCount = 0
#define OPTION(...) +1
#define FOLLOWS(...) +1
#include "sentry/net/inet_options.inc"
#undef OPTION
#undef FOLLOWS
      ;
  int Value(int index) const;

  const NetSettings& settings_;
  std::atomic<int> values_[kCount];
  std::atomic<bool> wants_control_{false};
};

}  // namespace runsc
