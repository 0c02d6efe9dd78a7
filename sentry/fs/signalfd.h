// signalfd(2): pending signals as a readable file.
#pragma once

#include "sentry/fs/anon_file.h"
#include "sentry/kernel/signals.h"
#include "sentry/kernel/thread_group.h"

namespace runsc {

// Whoever reads or polls it does so for its own signals: after a fork parent and child see different ones
// through the same file.
class SignalFile : public AnonFile {
 public:
  static const char kKind;
  SignalFile(RefPtr<AnonInode> inode, RefPtr<ThreadGroup> creator, SignalSet set, int flags);
  const void* kind() const override { return &kKind; }
  unsigned abilities() const override { return kReads; }

  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override;
  EventMask Readiness(EventMask mask) override;
  // That of the asking process; it lives as long as this file or anybody waits in it.
  WaitQueue* wait_queue() override;
  std::string FdInfo() const override;

  void set_signals(SignalSet set);

 private:
  WaitQueue* QueueOf(ThreadGroup& group);

  const RefPtr<ThreadGroup> creator_;
  std::atomic<SignalSet> set_;
  Mutex mu_{LockRank::kFile};
  std::vector<RefPtr<ThreadGroup>> heirs_ ABSL_GUARDED_BY(mu_);  // other processes that waited for it
};

RefPtr<File> NewSignalFile(Task& task, SignalSet set, int flags);

}  // namespace runsc
