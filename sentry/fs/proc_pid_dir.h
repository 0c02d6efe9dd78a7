// An open /proc/PID, which pidfd_send_signal(2) takes for a descriptor of the process.
#pragma once

#include "sentry/fs/dir_file.h"
#include "sentry/kernel/thread_group.h"

namespace runsc {

class ProcPidDirFile : public DirFile {
 public:
  ProcPidDirFile(const Path& path, int flags, RefPtr<ThreadGroup> process)
      : DirFile(path, flags), process_(std::move(process)) {}
  static const char kKind;
  const void* kind() const override { return &kKind; }
  ThreadGroup& process() const { return *process_; }

 private:
  const RefPtr<ThreadGroup> process_;
};

}  // namespace runsc
