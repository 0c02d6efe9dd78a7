// eventfd(2): a counter that can be waited for.
#pragma once

#include "sentry/fs/anon_file.h"

namespace runsc {

class EventFile : public AnonFile {
 public:
  EventFile(RefPtr<AnonInode> inode, uint64_t value, bool semaphore, int flags);
  static const char kKind;
  const void* kind() const override { return &kKind; }
  unsigned abilities() const override { return kReads | kWrites; }

  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override;
  Result<size_t> Write(Task& task, IoSource& src, const int64_t* offset) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &queue_; }
  std::string FdInfo() const override;

 private:
  // What a read takes: one of a semaphore, else everything. EAGAIN at zero.
  Result<uint64_t> Take();
  // EAGAIN when the counter would overflow.
  Result<void> Add(uint64_t value);

  const bool semaphore_;
  const int id_;
  mutable Mutex mu_{LockRank::kFile};
  uint64_t value_ ABSL_GUARDED_BY(mu_);
  WaitQueue queue_;
};

// flags: EFD_SEMAPHORE | EFD_NONBLOCK.
RefPtr<File> NewEventFile(Task& task, uint64_t value, int flags);

}  // namespace runsc
