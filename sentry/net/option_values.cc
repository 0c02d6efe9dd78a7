// Parsing and showing the values of socket options.
#include "sentry/net/option_values.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>

#include "sentry/kernel/deadline.h"

namespace runsc {
namespace {

constexpr int kMaxBuffer = 4194304;  // net.core.wmem_max, rmem_max
constexpr int kMaxForced = 1 << 30;
constexpr int kMinBuffer = 4608;

template <typename T>
Result<T> Parse(std::string_view value) {
  T out;
  if (value.size() < sizeof(out)) return Errno(EINVAL);
  std::memcpy(&out, value.data(), sizeof(out));
  return out;
}

}  // namespace

Result<int> ParseIntOption(std::string_view value) { return Parse<int>(value); }

Result<int64_t> ParseTimeoutOption(std::string_view value) {
  const timeval tv = TRY(Parse<timeval>(value));
  if (tv.tv_usec < 0 || tv.tv_usec >= 1'000'000) return Errno(EDOM);
  if (tv.tv_sec < 0) return int64_t{1};  // expires at once
  const int64_t ns = ToNs({tv.tv_sec, tv.tv_usec * 1000});
  return ns == kNever ? int64_t{0} : ns;
}

std::string TimeoutOption(int64_t ns) { return OptionBytes(timeval{ns / kNsPerSecond, (ns % kNsPerSecond) / 1000}); }

Result<int> ParseLingerOption(std::string_view value) {
  const linger l = TRY(Parse<linger>(value));
  return l.l_onoff ? std::max(l.l_linger, 0) : -1;
}

std::string LingerOption(int seconds) { return OptionBytes(linger{seconds >= 0, std::max(seconds, 0)}); }

int BufferSizeOption(int wanted, bool forced) {
  return std::max(2 * std::clamp(wanted, 0, forced ? kMaxForced : kMaxBuffer), kMinBuffer);
}

}  // namespace runsc
