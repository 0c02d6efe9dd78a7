#include "sentry/kernel/signal_send.h"

#include "sentry/kernel/pids.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/trace_stop.h"
#include "sentry/kernel/wait.h"

namespace runsc {
namespace {

constexpr SignalSet kStopSignals = SignalBit(SIGSTOP) | SignalBit(SIGTSTP) | SignalBit(SIGTTIN) | SignalBit(SIGTTOU);
constexpr uint64_t kIgnoreHandler = 1;

uint64_t HandlerOf(ThreadGroup& group, int signo) { return group.actions->value.actions[signo].handler; }

// Signals the receiver would throw away are not even queued, unless somebody may wait for them.
bool IsIgnored(ThreadGroup& group, const Task* target, int signo) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  const uint64_t handler = HandlerOf(group, signo);
  const bool shielded = IsShieldedInitLocked(group);
  const bool ignored =
      handler == kIgnoreHandler || (handler == 0 && (shielded || DefaultActionOf(signo) == DefaultAction::kIgnore));
  if (!ignored) return false;
  const Task* task = target != nullptr ? target : group.leader;
  if (task != nullptr && TracerOfLocked(*task) != nullptr && signo != SIGKILL) return false;
  return task == nullptr || !(task->MaskFromAnyThread() & SignalBit(signo));
}

bool IsLive(const Task& task) { return !task.run().dead.load(); }

bool Wants(const Task& task, int signo) {
  if (!IsLive(task)) return false;
  if (task.run().waited_signals & SignalBit(signo)) return true;
  return !(task.MaskFromAnyThread() & SignalBit(signo));
}

size_t QueuedByLocked(ThreadGroup& group) {
  size_t total = group.pending.queued();
  for (Task* task : group.tasks) total += task->pending.queued();
  return total;
}

// Real-time signals sent by users count against RLIMIT_SIGPENDING; others are never refused.
bool QueueIsFull(ThreadGroup& group, const siginfo_t& info) {
  if (info.si_signo < 32 || info.si_code == SI_KERNEL) return false;
  return QueuedByLocked(group) >= group.limits[RLIMIT_SIGPENDING].rlim_cur;
}

void EndGroupStopLocked(ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  const bool was_stopped = std::exchange(group.stopped, false);
  for (Task* task : group.tasks) {
    task->run().work.fetch_and(~uint32_t{Task::RunState::kStop});
    task->Wake();
  }
  if (!was_stopped) return;
  group.continue_pending = true;
  group.stop_reported = true;
  if (group.parent != nullptr) NotifyParentOfJobControlLocked(group, CLD_CONTINUED, SIGCONT);
}

// Stop and continue cancel each other before they are delivered, whatever the disposition.
void PrepareJobControlLocked(ThreadGroup& group, int signo) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  if (signo == SIGCONT || signo == SIGKILL) {
    group.pending.Discard(kStopSignals);
    for (Task* task : group.tasks) task->pending.Discard(kStopSignals);
    EndGroupStopLocked(group);
    for (Task* task : group.tasks) {
      if (signo == SIGCONT) NoticeJobControlLocked(*task);
    }
  } else if (SignalBit(signo) & kStopSignals) {
    group.pending.Discard(SignalBit(SIGCONT));
    for (Task* task : group.tasks) task->pending.Discard(SignalBit(SIGCONT));
  }
}

// One thread that takes it is woken, the leader first. When all block it, all must learn that it is pending.
void NoticeGroupSignalLocked(ThreadGroup& group, int signo) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  Task* chosen = group.leader != nullptr && Wants(*group.leader, signo) ? group.leader : nullptr;
  for (Task* task : group.tasks) {
    if (chosen != nullptr) break;
    if (Wants(*task, signo)) chosen = task;
  }
  if (chosen != nullptr) return chosen->NoticeWorkLocked(Task::RunState::kSignal, true);
  for (Task* task : group.tasks) {
    if (IsLive(*task)) task->NoticeWorkLocked(Task::RunState::kSignal, false);
  }
}

}  // namespace

DefaultAction DefaultActionOf(int signo) {
  switch (signo) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
      return DefaultAction::kIgnore;
    case SIGCONT:
      return DefaultAction::kContinue;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return DefaultAction::kStop;
    default:
      return DefaultAction::kTerminate;
  }
}

siginfo_t KernelSignal(int signo) {
  siginfo_t info{};
  info.si_signo = signo;
  info.si_code = SI_KERNEL;
  return info;
}

siginfo_t UserSignal(const Task& sender, int signo, int code) {
  siginfo_t info{};
  info.si_signo = signo;
  info.si_code = code;
  info.si_pid = sender.pid();
  info.si_uid = sender.creds()->ruid;
  return info;
}

void KillGroupLocked(ThreadGroup& group, int wait_status) {
  if (wait_status == SIGKILL) group.killed = true;
  if (!group.exiting) {
    group.exiting = true;
    group.exit_status = wait_status;
    group.stopped = false;
  }
  for (Task* task : group.tasks) task->NoticeWorkLocked(Task::RunState::kKill, true);
}

Result<void> SendToGroupLocked(ThreadGroup& group, const siginfo_t& info) {
  const int signo = info.si_signo;
  if (group.exiting && info.si_signo == SIGKILL) KillGroupLocked(group, SIGKILL);  // some may stop at their end
  if (group.zombie || group.exiting) return {};
  PrepareJobControlLocked(group, signo);
  const bool forced = signo == SIGKILL && info.si_code == SI_KERNEL && &group != group.kernel().init();
  if (!forced && IsIgnored(group, nullptr, signo)) return {};
  if (signo == SIGKILL) {
    KillGroupLocked(group, SIGKILL);
    return {};
  }
  if (QueueIsFull(group, info)) return Errno(EAGAIN);
  if (!group.pending.Add(info)) return {};
  NoticeGroupSignalLocked(group, signo);
  group.signal_events.Notify(EPOLLIN);
  return {};
}

Result<void> SendToGroup(ThreadGroup& group, const siginfo_t& info) {
  MutexLock l(group.kernel().task_set_mu());
  return SendToGroupLocked(group, info);
}

Result<void> SendToProcessGroupLocked(Kernel& kernel, int pgid, const siginfo_t& info) {
  bool found = false;
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
    if (group->pgid != pgid) continue;
    found = true;
    (void)SendToGroupLocked(*group, info);
  }
  if (!found) return Errno(ESRCH);
  return {};
}

Result<void> Task::SendSignalLocked(const siginfo_t& info) {
  const int signo = info.si_signo;
  ThreadGroup& group = *thread_group_;
  if (!IsLive(*this) || group.exiting) return {};
  PrepareJobControlLocked(group, signo);
  if (IsIgnored(group, this, signo)) return {};
  if (signo == SIGKILL) {
    KillGroupLocked(group, SIGKILL);
    return {};
  }
  if (QueueIsFull(group, info)) return Errno(EAGAIN);
  if (!pending.Add(info)) return {};
  NoticeWorkLocked(RunState::kSignal, Wants(*this, signo));
  group.signal_events.Notify(EPOLLIN);
  return {};
}

Result<void> Task::SendSignal(const siginfo_t& info) {
  MutexLock l(kernel_.task_set_mu());
  return SendSignalLocked(info);
}

// As Linux: a fault that is blocked or ignored kills, because returning would only repeat it.
void Task::ForceSignal(siginfo_t info) {
  const SignalSet mask = signal_mask();
  const SignalSet bit = SignalBit(info.si_signo);
  MutexLock l(kernel_.task_set_mu());
  KernelSigaction& action = thread_group_->actions->value.actions[info.si_signo];
  if ((mask & bit) || action.handler == kIgnoreHandler) {
    action.handler = 0;
    context_->SetSignalMask(mask & ~bit);
  }
  pending.Discard(bit);
  pending.Add(info);
  run_->forced_signals |= bit;
  run_->work.fetch_or(RunState::kSignal);
}

std::optional<siginfo_t> Task::TakeSignal(SignalSet wanted) {
  MutexLock l(kernel_.task_set_mu());
  if (auto own = pending.TakeOneOf(wanted)) return own;
  return thread_group_->pending.TakeOneOf(wanted);
}

SignalSet Task::PendingSignals() const {
  MutexLock l(kernel_.task_set_mu());
  return pending.pending() | thread_group_->pending.pending();
}

bool MayOrderSignals(uid_t ruid, uid_t euid, const Task& target) {
  const CredentialsRef to = target.CredsSnapshot();
  return euid == 0 || euid == to->suid || euid == to->ruid || ruid == to->suid || ruid == to->ruid;
}

Result<void> CheckKillPermission(const Task& sender, const Task& target, int signo) {
  if (&sender.thread_group() == &target.thread_group()) return {};
  const CredentialsRef from = sender.creds();
  const CredentialsRef to = target.CredsSnapshot();
  if (from->euid == to->suid || from->euid == to->ruid || from->ruid == to->suid || from->ruid == to->ruid) return {};
  if (from->HasIn(to->user_ns.get(), CAP_KILL)) return {};
  if (signo == SIGCONT && sender.thread_group().sid == target.thread_group().sid) return {};
  return Errno(EPERM);
}

namespace {

// The init process of a pid namespace can be killed, but not by those in it.
bool KilledFromOutsideLocked(const Task& sender, const ThreadGroup& group)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  return group.pid_ns && group.pid_ns->init == &group && !SeesProcess(group.pid_ns.get(), sender.thread_group());
}

// A user's signal names its sender as the receiver knows him.
siginfo_t AsSeenByLocked(const ThreadGroup& receiver, const Task& sender, siginfo_t info)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  if (receiver.leader == nullptr || info.si_pid != sender.pid()) return info;
  if (info.si_code != SI_USER && info.si_code != SI_TKILL) return info;
  info.si_pid = PidToGuestLocked(*receiver.leader, sender.pid());
  info.si_uid = UidToGuest(receiver.leader->CredsSnapshot()->user_ns.get(), info.si_uid);
  return info;
}

Result<void> KillOneLocked(Task& sender, ThreadGroup& group, const siginfo_t& info)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  if (group.leader != nullptr) TRY(CheckKillPermission(sender, *group.leader, info.si_signo));
  if (info.si_signo == 0) return {};
  if (info.si_signo == SIGKILL && KilledFromOutsideLocked(sender, group)) {
    KillGroupLocked(group, SIGKILL);
    return {};
  }
  return SendToGroupLocked(group, AsSeenByLocked(group, sender, info));
}

// Succeeds if one of them could be signalled; else the last error.
template <typename Matches>
Result<void> KillManyLocked(Task& sender, const siginfo_t& info, Matches matches)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  Result<void> last = Errno(ESRCH);
  bool succeeded = false;
  for (ThreadGroup* group : sender.kernel().ThreadGroupsLocked()) {
    if (!matches(*group)) continue;
    last = KillOneLocked(sender, *group, info);
    succeeded |= last.ok();
  }
  return succeeded ? Result<void>() : last;
}

}  // namespace

Result<void> Kill(Task& sender, int pid, const siginfo_t& info) {
  Kernel& kernel = sender.kernel();
  MutexLock l(kernel.task_set_mu());
  if (pid == INT32_MIN) return Errno(ESRCH);
  if (pid == -1) {
    const PidNamespace* ns = sender.thread_group().pid_ns.get();
    return KillManyLocked(sender, info, [&](ThreadGroup& group) {
      const bool is_init = ns == nullptr ? &group == kernel.init() : ns->init == &group;
      return !is_init && &group != &sender.thread_group() && SeesProcess(ns, group);
    });
  }
  if (pid <= 0) {
    const int pgid = pid == 0 ? sender.thread_group().pgid : -pid;
    return KillManyLocked(sender, info, [&](ThreadGroup& group) { return group.pgid == pgid; });
  }
  ThreadGroup* group = kernel.FindThreadGroupLocked(pid);
  if (group == nullptr) {
    Task* task = kernel.FindTaskLocked(pid);  // Linux takes a thread's id for its process
    if (task == nullptr) return Errno(ESRCH);
    group = &task->thread_group();
  }
  return KillOneLocked(sender, *group, info);
}

Result<void> KillProcess(Task& sender, ThreadGroup& group, const siginfo_t& info) {
  Kernel& kernel = sender.kernel();
  MutexLock l(kernel.task_set_mu());
  if (kernel.FindThreadGroupLocked(group.pid()) != &group) return Errno(ESRCH);
  return KillOneLocked(sender, group, info);
}

Result<void> KillThread(Task& sender, int tgid, int tid, const siginfo_t& info) {
  Kernel& kernel = sender.kernel();
  MutexLock l(kernel.task_set_mu());
  Task* task = kernel.FindTaskLocked(tid);
  if (task == nullptr || (tgid > 0 && task->pid() != tgid)) return Errno(ESRCH);
  TRY(CheckKillPermission(sender, *task, info.si_signo));
  if (info.si_signo == 0) return {};
  return task->SendSignalLocked(AsSeenByLocked(task->thread_group(), sender, info));
}

}  // namespace runsc
