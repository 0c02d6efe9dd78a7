// The table of numeric options.
#include "sentry/net/inet_options.h"

#include <algorithm>
#include <iterator>

namespace runsc {
namespace {

struct Row {
  int level, name, family, least, most, initial;
  int setting = -1;  // whose value it has until it is set
};

constexpr int kUnset = INT_MIN;

constexpr Row kRows[] = {
#define OPTION(level, name, family, least, most, initial) {level, name, family, least, most, initial},
#define FOLLOWS(level, name, family, least, most, setting) \
  {level, name, family, least, most, kUnset, NetSetting::setting},
#include "sentry/net/inet_options.inc"
#undef OPTION
#undef FOLLOWS
};

constexpr int kDefaultBuffer = 212992;

int Find(int level, int name) {
  for (size_t i = 0; i < std::size(kRows); ++i) {
    if (kRows[i].level == level && kRows[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

int FindFor(int level, int name, int family, int protocol) {
  if (level == IPPROTO_TCP && protocol != IPPROTO_TCP) return -1;
  const int i = Find(level, name);
  return i >= 0 && (kRows[i].family == 0 || kRows[i].family == family) ? i : -1;
}

bool AddsControl(const Row& row) {
  constexpr int kIp[] = {IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_RECVORIGDSTADDR};
  constexpr int kIp6[] = {IPV6_RECVPKTINFO, IPV6_RECVTCLASS, IPV6_RECVHOPLIMIT};
  if (row.level == SOL_SOCKET) return row.name == SO_TIMESTAMP || row.name == SO_TIMESTAMPNS;
  if (row.level == IPPROTO_IP) return std::find(std::begin(kIp), std::end(kIp), row.name) != std::end(kIp);
  return row.level == IPPROTO_IPV6 && std::find(std::begin(kIp6), std::end(kIp6), row.name) != std::end(kIp6);
}

// -1 means the default where Linux has it so.
bool DefaultsOnMinusOne(const Row& row) {
  return (row.level == IPPROTO_IP && (row.name == IP_TTL || row.name == IP_MULTICAST_TTL)) ||
         (row.level == IPPROTO_IPV6 &&
          (row.name == IPV6_UNICAST_HOPS || row.name == IPV6_MULTICAST_HOPS || row.name == IPV6_TCLASS));
}

// Seconds for an end to come; none at all (-1), or what the namespace has.
int OrphanTimeout(int seconds) {
  constexpr int kMost = 120;
  return seconds == 0 ? kUnset : std::clamp(seconds, -1, kMost);
}

// A time to wait for bytes, as that of so many repeated answers to the other side.
int DeferTime(int seconds) {
  constexpr int kMostRepeats = 255, kLongestPause = 120;
  if (seconds <= 0) return 0;
  int pause = 1, total = 1;
  for (int repeats = 1; total < seconds && repeats < kMostRepeats; ++repeats) {
    pause = std::min(pause * 2, kLongestPause);
    total += pause;
  }
  return total;
}

}  // namespace

InetOptions::InetOptions(const NetSettings& settings, int protocol)
    : send_buffer(protocol == IPPROTO_TCP ? settings.send_buffer()[1] : kDefaultBuffer),
      receive_buffer(protocol == IPPROTO_TCP ? settings.receive_buffer()[1] : kDefaultBuffer),
      settings_(settings) {
  static_assert(std::size(kRows) == kCount);
  for (int i = 0; i < kCount; ++i) values_[i] = kRows[i].initial;
  // What the namespace has now, for good.
  values_[Find(IPPROTO_IPV6, IPV6_V6ONLY)] = settings.at(NetSetting::kV6Only);
}

int InetOptions::Value(int index) const {
  const int value = values_[index].load(std::memory_order_relaxed);
  const int setting = kRows[index].setting;
  return setting >= 0 && value == kUnset ? settings_.at(static_cast<size_t>(setting)) : value;
}

void InetOptions::CopyFrom(const InetOptions& other) {
  for (int i = 0; i < kCount; ++i) values_[i] = other.values_[i].load();
  wants_control_ = other.wants_control_.load();
  receive_timeout_ns = other.receive_timeout_ns.load();
  send_timeout_ns = other.send_timeout_ns.load();
  linger_seconds = other.linger_seconds.load();
  send_buffer = other.send_buffer.load();
  receive_buffer = other.receive_buffer.load();
  bound_device = other.bound_device.load();
}

std::optional<int> InetOptions::Get(int level, int name, int family, int protocol) const {
  const int i = FindFor(level, name, family, protocol);
  return i < 0 ? std::optional<int>() : Value(i);
}

int InetOptions::at(int level, int name) const {
  const int i = Find(level, name);
  return i < 0 ? 0 : Value(i);
}

Result<bool> InetOptions::Set(int level, int name, int family, int protocol, int value) {
  const int i = FindFor(level, name, family, protocol);
  if (i < 0) return false;
  const Row& row = kRows[i];
  const bool reset = value == -1 && DefaultsOnMinusOne(row);
  if (row.level == IPPROTO_TCP && row.name == TCP_LINGER2) value = OrphanTimeout(value);
  if (row.level == IPPROTO_TCP && row.name == TCP_DEFER_ACCEPT) value = DeferTime(value);
  if (row.least == 0 && row.most == 1) value = value != 0;
  if (!reset && (value < row.least || value > row.most)) return Errno(EINVAL);
  if (reset) value = row.initial;
  values_[i] = value;
  if (AddsControl(row) && value != 0) wants_control_ = true;
  return true;
}

}  // namespace runsc
