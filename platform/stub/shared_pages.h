// A memfd cut into equal pieces that stubs map: the slots of guest threads, the command pages of
// helpers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/base/mutex.h"
#include "platform/base/result.h"
#include "platform/base/unique_fd.h"

namespace runsc::stub {

class SharedPages {
 public:
  SharedPages() = default;
  SharedPages(const SharedPages&) = delete;
  ~SharedPages();

  // `proc_fd` (may be -1) is a procfs directory to get a read-only descriptor through.
  absl::Status Init(const char* name, size_t piece_size, size_t count, int proc_fd);

  // A zeroed piece, or EAGAIN.
  Result<uint32_t> Allocate();
  // Nobody may have it mapped any more. A few pieces keep their memory, zeroed, for the next user:
  // page faults cost more than that. The others' goes back to the host.
  void Free(uint32_t index);

  uint8_t* piece(uint32_t index) const { return base_ + index * piece_size_; }
  uint64_t offset(uint32_t index) const { return index * piece_size_; }
  int fd() const { return fd_.get(); }
  int read_only_fd() const { return read_only_.valid() ? read_only_.get() : fd_.get(); }
  bool has_read_only_fd() const { return read_only_.valid(); }

 private:
  // Zeroes what is in memory of a piece; false if there is too much of it to be worth keeping.
  bool Scrub(uint32_t index);

  static constexpr size_t kMaxWarm = 32;
  UniqueFd fd_, read_only_;
  uint8_t* base_ = nullptr;
  size_t piece_size_ = 0, count_ = 0;
  Mutex mu_{LockRank::kPlatformPool};
  uint32_t next_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<uint32_t> warm_ ABSL_GUARDED_BY(mu_);  // free, zeroed and in memory
  std::vector<uint32_t> free_ ABSL_GUARDED_BY(mu_);  // free, without memory
};

}  // namespace runsc::stub
