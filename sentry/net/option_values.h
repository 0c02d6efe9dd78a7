// The forms socket options have: ints, times, lingers, buffer sizes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "platform/base/result.h"

namespace runsc {

template <typename T>
std::string OptionBytes(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

// EINVAL: too short.
Result<int> ParseIntOption(std::string_view value);
// A struct timeval, for SO_RCVTIMEO and SO_SNDTIMEO: ns, 0 for none. EDOM.
Result<int64_t> ParseTimeoutOption(std::string_view value);
std::string TimeoutOption(int64_t ns);
// struct linger: seconds, or -1 for off.
Result<int> ParseLingerOption(std::string_view value);
std::string LingerOption(int seconds);
// What SO_SNDBUF or SO_RCVBUF makes of a wish: doubled, as Linux does for its own overhead.
int BufferSizeOption(int wanted, bool forced);

}  // namespace runsc
