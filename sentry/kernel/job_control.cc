#include "sentry/kernel/job_control.h"

#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/terminal.h"
#include "sentry/kernel/wait.h"

namespace runsc {
namespace {

// Keeps `pgid` from being orphaned: a member whose parent is in another group of the session.
bool IsLink(const ThreadGroup& group, int pgid) {
  return group.pgid == pgid && !group.zombie && group.parent != nullptr && group.parent->pgid != pgid &&
         group.parent->sid == group.sid;
}

bool HasStoppedMemberLocked(Kernel& kernel, int pgid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
    if (group->pgid == pgid && group->stopped) return true;
  }
  return false;
}

void HangUpIfOrphanedLocked(Kernel& kernel, int pgid, const ThreadGroup& leaving)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  if (!IsOrphanedLocked(kernel, pgid, &leaving) || !HasStoppedMemberLocked(kernel, pgid)) return;
  (void)SendToProcessGroupLocked(kernel, pgid, KernelSignal(SIGHUP));
  (void)SendToProcessGroupLocked(kernel, pgid, KernelSignal(SIGCONT));
}

ThreadGroup* FindOrSelfLocked(Task& task, int pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  return pid == 0 ? &task.thread_group() : task.kernel().FindThreadGroupLocked(pid);
}

bool SessionHasGroupLocked(Kernel& kernel, int sid, int pgid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
    if (group->pgid == pgid && group->sid == sid) return true;
  }
  return false;
}

}  // namespace

bool IsOrphanedLocked(Kernel& kernel, int pgid, const ThreadGroup* ignored) {
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
    if (group != ignored && IsLink(*group, pgid)) return false;
  }
  return true;
}

void HangUpNewOrphansLocked(ThreadGroup& group) {
  Kernel& kernel = group.kernel();
  if (group.parent != nullptr && group.parent->pgid != group.pgid && group.parent->sid == group.sid) {
    HangUpIfOrphanedLocked(kernel, group.pgid, group);
  }
  for (const auto& child : group.children) {
    if (child->pgid != group.pgid && child->sid == group.sid) HangUpIfOrphanedLocked(kernel, child->pgid, *child);
  }
}

void DropTerminalLocked(ThreadGroup& leader) {
  if (!leader.terminal || leader.sid != leader.pid()) return;
  Kernel& kernel = leader.kernel();
  const RefPtr<Terminal> terminal = leader.terminal;
  if (terminal->foreground_pgid != 0) {
    (void)SendToProcessGroupLocked(kernel, terminal->foreground_pgid, KernelSignal(SIGHUP));
    (void)SendToProcessGroupLocked(kernel, terminal->foreground_pgid, KernelSignal(SIGCONT));
  }
  terminal->session = 0;
  terminal->foreground_pgid = 0;
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
    if (group->sid == leader.sid) group->terminal.reset();
  }
}

void AnnounceStopIfCompleteLocked(ThreadGroup& group) {
  if (!group.stopped || group.stop_announced) return;
  for (Task* task : group.tasks) {
    if (!task->run().dead && !task->run().stopped) return;
  }
  group.stop_announced = true;
  NotifyParentOfJobControlLocked(group, CLD_STOPPED, group.stop_signal);
}

Result<void> SetProcessGroup(Task& task, int pid, int pgid) {
  if (pgid < 0) return Errno(EINVAL);
  MutexLock l(task.kernel().task_set_mu());
  ThreadGroup& self = task.thread_group();
  ThreadGroup* group = FindOrSelfLocked(task, pid);
  if (group == nullptr || (group != &self && group->parent != &self)) return Errno(ESRCH);
  if (group != &self && group->sid != self.sid) return Errno(EPERM);
  if (group != &self && group->has_execed) return Errno(EACCES);
  if (group->sid == group->pid()) return Errno(EPERM);
  if (pgid == 0) pgid = group->pid();
  if (pgid != group->pid() && !SessionHasGroupLocked(task.kernel(), self.sid, pgid)) return Errno(EPERM);
  group->pgid = pgid;
  return {};
}

Result<int> GetProcessGroup(Task& task, int pid) {
  MutexLock l(task.kernel().task_set_mu());
  ThreadGroup* group = FindOrSelfLocked(task, pid);
  if (group == nullptr) return Errno(ESRCH);
  return group->pgid;
}

Result<int> GetSession(Task& task, int pid) {
  MutexLock l(task.kernel().task_set_mu());
  ThreadGroup* group = FindOrSelfLocked(task, pid);
  if (group == nullptr) return Errno(ESRCH);
  return group->sid;
}

Result<int> NewSession(Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  ThreadGroup& self = task.thread_group();
  for (ThreadGroup* group : task.kernel().ThreadGroupsLocked()) {
    if (group->pgid == self.pid()) return Errno(EPERM);
  }
  self.sid = self.pgid = self.pid();
  self.terminal.reset();
  return self.pid();
}

}  // namespace runsc
