// Where files may be mapped in an address space, as the stub can read it: it unmaps by itself only what is not
// there. Each range covers at least what it should; with too many of them, some cover more.
#pragma once

#include <cstdint>

#include "platform/base/mutex.h"
#include "platform/stub/stub_layout.h"

namespace runsc::stub {

class FileRanges {
 public:
  explicit FileRanges(stub::InfoPage& info) : info_(info) {}

  void Add(uint64_t start, uint64_t end);
  // Nothing is mapped there any more. A hole within a range is not noted.
  void Remove(uint64_t start, uint64_t end);
  void Clear();
  void CopyFrom(FileRanges& other);  // a new process', not used by anybody yet

 private:
  void Store(uint32_t index, stub::GuestRange range) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  uint32_t NearestTo(uint64_t start) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  stub::InfoPage& info_;  // the stub reads it at any time: ranges are written in place, never moved
  Mutex mu_{LockRank::kPlatform};
};

}  // namespace runsc::stub
