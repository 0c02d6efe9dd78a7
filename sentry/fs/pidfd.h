// Process descriptors: pidfd_open(2).
#pragma once

#include "sentry/fs/anon_file.h"
#include "sentry/kernel/thread_group.h"

namespace runsc {

// Refers to a process, also when its number means another one by now.
class PidFile : public AnonFile {
 public:
  static const char kKind;
  PidFile(RefPtr<AnonInode> inode, RefPtr<ThreadGroup> process, int flags);
  const void* kind() const override { return &kKind; }
  unsigned abilities() const override { return 0; }

  Result<int64_t> Seek(Task&, int64_t, int) override { return Errno(ESPIPE); }
  EventMask Readiness(EventMask mask) override;  // EPOLLIN once it ended
  WaitQueue* wait_queue() override { return &process_->exit_events; }
  std::string FdInfo() const override;
  ThreadGroup& process() const { return *process_; }

 private:
  const RefPtr<ThreadGroup> process_;
};

RefPtr<File> NewPidFile(Task& task, RefPtr<ThreadGroup> process, int flags);

}  // namespace runsc
