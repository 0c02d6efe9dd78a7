// A process descriptor for who sent a message or connected (SCM_PIDFD, SO_PEERPIDFD).
#pragma once

#include "sentry/fs/pidfd.h"
#include "sentry/kernel/task.h"

namespace runsc {

// ESRCH: it is gone.
inline Result<RefPtr<File>> OpenPidfd(Task& task, int pid) {
  RefPtr<ThreadGroup> process;
  {
    MutexLock l(task.kernel().task_set_mu());
    process = RefPtr<ThreadGroup>(task.kernel().FindThreadGroupLocked(pid));
  }
  if (!process) return Errno(ESRCH);
  return NewPidFile(task, std::move(process), 0);
}

}  // namespace runsc
