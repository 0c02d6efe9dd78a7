// Points in monotonic time, ns: what every wait and timer is measured in.
#pragma once

#include <time.h>

#include <cstdint>
#include <limits>

namespace runsc {

// Monotonic ns; kNever blocks for ever.
using Deadline = int64_t;
inline constexpr Deadline kNever = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kNsPerSecond = 1'000'000'000;

inline timespec ToTimespec(int64_t ns) { return {ns / kNsPerSecond, ns % kNsPerSecond}; }

// Saturates, so that absurd guest values mean "for ever".
inline int64_t ToNs(const timespec& ts) {
  int64_t ns;
  if (__builtin_mul_overflow(static_cast<int64_t>(ts.tv_sec), kNsPerSecond, &ns)) return kNever;
  if (__builtin_add_overflow(ns, static_cast<int64_t>(ts.tv_nsec), &ns)) return kNever;
  return ns;
}

inline Deadline DeadlineAfter(int64_t now, int64_t ns) {
  Deadline d;
  return __builtin_add_overflow(now, ns, &d) ? kNever : d;
}

inline bool IsValidTimespec(const timespec& ts) {
  return ts.tv_sec >= 0 && ts.tv_nsec >= 0 && ts.tv_nsec < kNsPerSecond;
}

}  // namespace runsc
