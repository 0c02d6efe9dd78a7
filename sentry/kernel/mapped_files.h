// Which file is mapped where in an address space. A mapping keeps its file open, as on Linux, so this must know
// when the last part of one goes.
//
// The stub changes mappings by itself, but leaves to the kernel what unmaps or moves files (platform.h). Only a
// file covered in part by a fixed anonymous mapping goes unnoticed; KeepOnly finds those.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "platform/platform.h"
#include "sentry/vfs/file.h"

namespace runsc {

class MappedFiles {
 public:
  struct Range {
    GuestAddr start, end;
  };
  // References given up: the caller lets them go when it holds no lock.
  using Dropped = std::vector<RefPtr<File>>;

  // What was in the range before is forgotten.
  [[nodiscard]] Dropped Add(Range range, RefPtr<File> file);
  [[nodiscard]] Dropped Remove(Range range);
  // mremap: what is mapped at the start of `from` is mapped in `to`, and no longer in `from` unless `keep`.
  [[nodiscard]] Dropped Move(Range from, Range to, bool keep);
  RefPtr<File> Find(GuestAddr addr) const;

  // There are many more entries than when the host was last asked what is true.
  bool Overgrown() const { return entries_.size() > limit_; }
  // `mapped`: every range with a file, in order.
  [[nodiscard]] Dropped KeepOnly(std::span<const Range> mapped);

 private:
  struct Entry {
    GuestAddr end;
    RefPtr<File> file;
  };
  void SplitAt(GuestAddr addr);

  static constexpr size_t kMinLimit = 128;
  std::map<GuestAddr, Entry> entries_;  // by start; they do not overlap
  size_t limit_ = kMinLimit;
};

}  // namespace runsc
