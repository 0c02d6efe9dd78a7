// signalfd(2): pending signals as a readable file.
#pragma once

#include "sentry/fs/anon_file.h"
#include "sentry/kernel/signals.h"
#include "sentry/kernel/thread_group.h"

namespace runsc {

// A read takes the reader's pending signals. Readiness is that of the process that made the file.
class SignalFile : public AnonFile {
 public:
  static const char kKind;
  SignalFile(RefPtr<AnonInode> inode, RefPtr<ThreadGroup> owner, SignalSet set, int flags);
  const void* kind() const override { return &kKind; }

  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &owner_->signal_events; }
  std::string FdInfo() const override;

  void set_signals(SignalSet set);

 private:
  const RefPtr<ThreadGroup> owner_;
  std::atomic<SignalSet> set_;
};

RefPtr<File> NewSignalFile(Task& task, SignalSet set, int flags);

}  // namespace runsc
