// Linux asynchronous I/O contexts (io_setup(2)): what was submitted and is done, until somebody collects it.
#pragma once

#include <linux/aio_abi.h>

#include <deque>
#include <vector>

#include "platform/base/mutex.h"
#include "platform/base/ref_ptr.h"
#include "platform/base/result.h"
#include "platform/platform.h"
#include "sentry/kernel/deadline.h"
#include "sentry/vfs/wait_queue.h"

namespace runsc {

class MemoryManager;
class Task;

class AioContext : public RefCounted {
 public:
  AioContext(const MemoryManager& mm, uint32_t capacity) : mm_(mm), capacity_(capacity) {}
  uint32_t capacity() const { return capacity_; }
  bool BelongsTo(const MemoryManager& mm) const { return &mm == &mm_; }

  // Room for one more request. EAGAIN; EINVAL when the context is being destroyed.
  Result<void> Reserve();
  void CancelReservation();
  void Complete(const io_event& event);
  // Done requests, at least `min` unless the deadline passes or the context is destroyed.
  Result<std::vector<io_event>> Collect(Task& task, size_t min, size_t max, Deadline deadline);
  // Wakes those who wait in Collect.
  void Destroy();

 private:
  size_t TakeLocked(std::vector<io_event>& events, size_t max) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const MemoryManager& mm_;  // compared only
  const uint32_t capacity_;
  Mutex mu_{LockRank::kFile};
  uint32_t used_ ABSL_GUARDED_BY(mu_) = 0;  // reserved and done
  bool destroyed_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<io_event> done_ ABSL_GUARDED_BY(mu_);
  WaitQueue queue_;
};

// The contexts of all processes. An id is the address of a page in the process: libc's readers look there.
Result<GuestAddr> AddAioContext(Task& task, uint32_t capacity);
Result<RefPtr<AioContext>> FindAioContext(Task& task, GuestAddr id);  // EINVAL
Result<void> RemoveAioContext(Task& task, GuestAddr id);

}  // namespace runsc
