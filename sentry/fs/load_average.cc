#include "sentry/fs/load_average.h"

#include <cmath>

namespace runsc {
namespace {

constexpr double kHorizonSeconds[] = {60, 300, 900};
constexpr int64_t kShortest = 1'000'000'000;  // between two questions of which both count

}  // namespace

LoadAverage::Averages LoadAverage::At(int64_t now_ns, uint64_t busy_ns) {
  MutexLock l(mu_);
  const int64_t passed = now_ns - last_ns_;
  if (passed < kShortest) return averages_;
  const uint64_t used = busy_ns > last_busy_ns_ ? busy_ns - last_busy_ns_ : 0;
  const double load = static_cast<double>(used) / static_cast<double>(passed);
  for (size_t i = 0; i < averages_.size(); ++i) {
    const double kept = std::exp(-static_cast<double>(passed) / 1e9 / kHorizonSeconds[i]);
    averages_[i] = averages_[i] * kept + load * (1 - kept);
  }
  last_ns_ = now_ns;
  last_busy_ns_ = busy_ns;
  return averages_;
}

}  // namespace runsc
