// Sessions and foreground groups of terminals.
#include "sentry/fs/tty_session.h"

#include "sentry/kernel/job_control.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/signal_send.h"

namespace runsc {
namespace {

constexpr uint64_t kIgnored = 1;  // SIG_IGN

bool ControlsLocked(Task& task, const Tty& tty) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  return task.thread_group().terminal.get() == &tty;
}

void TakeTerminalLocked(ThreadGroup& leader, Tty& tty) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  leader.terminal = RefPtr<Terminal>(&tty);
  tty.session = leader.sid;
  tty.foreground_pgid = leader.pgid;
}

void DetachSessionLocked(Kernel& kernel, int session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
    if (group->sid == session) group->terminal.reset();
  }
}

}  // namespace

Result<void> CheckForeground(Task& task, Tty& tty, int signo) {
  Kernel& kernel = task.kernel();
  const SignalSet blocked = task.signal_mask();
  MutexLock l(kernel.task_set_mu());
  ThreadGroup& group = task.thread_group();
  if (!ControlsLocked(task, tty) || tty.foreground_pgid == 0 || group.pgid == tty.foreground_pgid) return {};
  const bool ignored = (blocked & SignalBit(signo)) || group.actions->value.actions[signo].handler == kIgnored;
  if (ignored) return signo == SIGTTIN ? Result<void>(Errno(EIO)) : Result<void>();
  if (IsOrphanedLocked(kernel, group.pgid)) return Errno(EIO);
  (void)SendToProcessGroupLocked(kernel, group.pgid, KernelSignal(signo));
  return kRestartSys;
}

void AcquireTerminalOnOpen(Task& task, Tty& tty) {
  MutexLock l(task.kernel().task_set_mu());
  ThreadGroup& group = task.thread_group();
  if (group.sid == group.pid() && !group.terminal && tty.session == 0) TakeTerminalLocked(group, tty);
}

Result<void> SetControllingTerminal(Task& task, Tty& tty, bool readable, bool steal) {
  const bool is_admin = task.creds()->Has(CAP_SYS_ADMIN);
  MutexLock l(task.kernel().task_set_mu());
  ThreadGroup& group = task.thread_group();
  const bool leader = group.sid == group.pid();
  if (leader && tty.session == group.sid) return {};
  if (!leader || group.terminal) return Errno(EPERM);
  if (tty.session != 0) {
    if (!steal || !is_admin) return Errno(EPERM);
    DetachSessionLocked(task.kernel(), tty.session);
  } else if (!readable && !is_admin) {
    return Errno(EPERM);
  }
  TakeTerminalLocked(group, tty);
  return {};
}

Result<void> GiveUpTerminal(Task& task, Tty& tty) {
  MutexLock l(task.kernel().task_set_mu());
  if (!ControlsLocked(task, tty)) return Errno(ENOTTY);
  ThreadGroup& group = task.thread_group();
  if (group.sid == group.pid()) {
    DropTerminalLocked(group);
  } else {
    group.terminal.reset();
  }
  return {};
}

Result<int> GetForegroundGroup(Task& task, Tty& tty, bool any_session) {
  MutexLock l(task.kernel().task_set_mu());
  if (!any_session && !ControlsLocked(task, tty)) return Errno(ENOTTY);
  return PidToGuestLocked(task, tty.foreground_pgid);
}

Result<void> SetForegroundGroup(Task& task, Tty& tty, int pgid) {
  Kernel& kernel = task.kernel();
  MutexLock l(kernel.task_set_mu());
  if (!ControlsLocked(task, tty) || tty.session != task.thread_group().sid) return Errno(ENOTTY);
  if (pgid < 0) return Errno(EINVAL);
  pgid = PidFromGuestLocked(task, pgid);
  bool exists = false;
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
    if (group->pgid != pgid) continue;
    if (group->sid != tty.session) return Errno(EPERM);
    exists = true;
  }
  if (!exists) return Errno(ESRCH);
  tty.foreground_pgid = pgid;
  return {};
}

Result<int> GetTerminalSession(Task& task, Tty& tty, bool any_session) {
  MutexLock l(task.kernel().task_set_mu());
  if (!any_session && !ControlsLocked(task, tty)) return Errno(ENOTTY);
  if (tty.session == 0) return Errno(ENOTTY);
  return PidToGuestLocked(task, tty.session);
}

void SignalForeground(Kernel& kernel, Tty& tty, int signo) {
  MutexLock l(kernel.task_set_mu());
  if (tty.foreground_pgid == 0) return;
  (void)SendToProcessGroupLocked(kernel, tty.foreground_pgid, KernelSignal(signo));
}

void HangUpTerminal(Kernel& kernel, Tty& tty) {
  MutexLock l(kernel.task_set_mu());
  if (tty.session == 0) return;
  if (ThreadGroup* leader = kernel.FindThreadGroupLocked(tty.session)) {
    (void)SendToGroupLocked(*leader, KernelSignal(SIGHUP));
    (void)SendToGroupLocked(*leader, KernelSignal(SIGCONT));
  }
  if (tty.foreground_pgid != 0) {
    (void)SendToProcessGroupLocked(kernel, tty.foreground_pgid, KernelSignal(SIGHUP));
    (void)SendToProcessGroupLocked(kernel, tty.foreground_pgid, KernelSignal(SIGCONT));
  }
  DetachSessionLocked(kernel, tty.session);
  tty.session = 0;
  tty.foreground_pgid = 0;
}

RefPtr<Terminal> ControllingTerminal(Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  return task.thread_group().terminal;
}

}  // namespace runsc
