// Load averages: /proc/loadavg and sysinfo(2).
#pragma once

#include <array>
#include <cstdint>

#include "platform/base/mutex.h"

namespace runsc {

class Kernel;

// How many processors were busy, averaged over 1, 5 and 15 minutes with an exponential decay. Linux samples how many
// threads want a processor every five seconds; an idle sandbox has no such tick. Here the processor time used since
// the last question counts as spread evenly over the time since then. Thread-safe.
class LoadAverage {
 public:
  explicit LoadAverage(int64_t now_ns) : last_ns_(now_ns) {}
  using Averages = std::array<double, 3>;
  // `busy_ns`: processor time used so far, which may shrink when a process' time is nobody's any more.
  Averages At(int64_t now_ns, uint64_t busy_ns);

 private:
  Mutex mu_{LockRank::kFile};
  int64_t last_ns_ ABSL_GUARDED_BY(mu_);
  uint64_t last_busy_ns_ ABSL_GUARDED_BY(mu_) = 0;
  Averages averages_ ABSL_GUARDED_BY(mu_) = {};
};

// Of all processes of the sandbox.
LoadAverage::Averages LoadOf(Kernel& kernel);

}  // namespace runsc
