// Process groups, sessions and the rules of stopping: setpgid(2), setsid(2), orphaned groups.
#pragma once

#include "sentry/kernel/task.h"

namespace runsc {

// Nobody in the group has a parent in the same session but another group: nobody could continue it.
bool IsOrphanedLocked(Kernel& kernel, int pgid, const ThreadGroup* ignored = nullptr)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// `group` exits: groups that become orphaned by it and have stopped members get SIGHUP and SIGCONT.
void HangUpNewOrphansLocked(ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// A session leader exits: its terminal is given up, the foreground group gets SIGHUP and SIGCONT.
void DropTerminalLocked(ThreadGroup& leader) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// Tells the parent of a stop once every thread has stopped.
void AnnounceStopIfCompleteLocked(ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);

Result<void> SetProcessGroup(Task& task, int pid, int pgid);
Result<int> GetProcessGroup(Task& task, int pid);
Result<int> GetSession(Task& task, int pid);
Result<int> NewSession(Task& task);

}  // namespace runsc
