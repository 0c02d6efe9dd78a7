// Who may look into, or take hold of, another process: the access mode check of ptrace(2).
#pragma once

#include "sentry/kernel/task.h"

namespace runsc {

// `refusal` (EPERM, EACCES) unless `caller` may. `real_ids`: compare with the caller's real ids, as attaching
// does (PTRACE_MODE_REALCREDS), not with the filesystem's.
Result<void> CheckTraceAccess(Task& caller, Task& target, int refusal, bool real_ids = true);
Result<void> CheckTraceAccessLocked(Task& caller, Task& target, int refusal, bool real_ids = true)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);

}  // namespace runsc
