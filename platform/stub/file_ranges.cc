// See file_ranges.h.
#include "platform/stub/file_ranges.h"

#include <algorithm>

namespace runsc::stub {

using stub::GuestRange;
using stub::kMaxFileRanges;

// In an order in which a reader never sees less than both the old and the new range had in common.
void FileRanges::Store(uint32_t index, GuestRange range) {
  GuestRange& stored = info_.file_ranges[index];
  __atomic_store_n(&stored.end, std::max(stored.end, range.end), __ATOMIC_RELEASE);
  __atomic_store_n(&stored.start, range.start, __ATOMIC_RELEASE);
  __atomic_store_n(&stored.end, range.end, __ATOMIC_RELEASE);
}

uint32_t FileRanges::NearestTo(uint64_t start) const {
  const auto distance = [&](const GuestRange& r) { return r.start > start ? r.start - start : start - r.start; };
  const GuestRange* ranges = info_.file_ranges;
  const auto* nearest =
      std::min_element(ranges, ranges + kMaxFileRanges,
                       [&](const GuestRange& a, const GuestRange& b) { return distance(a) < distance(b); });
  return static_cast<uint32_t>(nearest - ranges);
}

void FileRanges::Add(uint64_t start, uint64_t end) {
  MutexLock lock(mu_);
  uint32_t unused = info_.file_range_count;
  for (uint32_t i = 0; i < info_.file_range_count; i++) {
    const GuestRange r = info_.file_ranges[i];
    if (r.start <= start && end <= r.end) return;
    if (r.end == 0) unused = i;
  }
  if (unused < kMaxFileRanges) {
    Store(unused, {start, end});
    if (unused == info_.file_range_count) __atomic_store_n(&info_.file_range_count, unused + 1, __ATOMIC_RELEASE);
    return;
  }
  const uint32_t nearest = NearestTo(start);
  const GuestRange r = info_.file_ranges[nearest];
  Store(nearest, {std::min(r.start, start), std::max(r.end, end)});
}

void FileRanges::Remove(uint64_t start, uint64_t end) {
  MutexLock lock(mu_);
  for (uint32_t i = 0; i < info_.file_range_count; i++) {
    const GuestRange r = info_.file_ranges[i];
    if (r.end == 0 || end <= r.start || r.end <= start) continue;
    if (start <= r.start) {
      Store(i, r.end <= end ? GuestRange{0, 0} : GuestRange{end, r.end});
    } else if (r.end <= end) {
      Store(i, {r.start, start});
    }
  }
}

void FileRanges::Clear() {
  MutexLock lock(mu_);
  for (uint32_t i = 0; i < info_.file_range_count; i++) Store(i, {0, 0});
  __atomic_store_n(&info_.file_range_count, 0, __ATOMIC_RELEASE);
}

void FileRanges::CopyFrom(FileRanges& other) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  MutexLock lock(other.mu_);
  info_.file_range_count = other.info_.file_range_count;
  std::copy_n(other.info_.file_ranges, kMaxFileRanges, info_.file_ranges);
}

}  // namespace runsc::stub
