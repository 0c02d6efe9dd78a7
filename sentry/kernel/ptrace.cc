#include "sentry/kernel/ptrace.h"

#include <sys/ptrace.h>

#include <algorithm>

#include "sentry/kernel/pids.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/trace_access.h"
#include "sentry/kernel/trace_stop.h"
#include "sentry/kernel/wait.h"

namespace runsc {
namespace {

Tracee& StateOfLocked(Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  if (!task.run().tracee) task.run().tracee = std::make_unique<Tracee>();
  return *task.run().tracee;
}

void LinkLocked(Task& tracer, Task& task, bool seize, uint32_t options)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  Tracee& state = StateOfLocked(task);
  state.tracer = &tracer;
  state.seized = seize;
  state.options = options;
  state.stop_due = state.listening = false;
  state.tracer_is_capable = tracer.CredsSnapshot()->HasIn(task.CredsSnapshot()->user_ns.get(), CAP_SYS_PTRACE);
  task.run().trace_mode = kTraced;
  tracer.run().tracees.push_back(&task);
}

// The thread whose child the process is. Any thread of the parent when that one is gone.
Task* ParentThreadLocked(Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  ThreadGroup* parent = task.thread_group().parent;
  if (parent == nullptr || parent->tasks.empty()) return nullptr;
  Task* creator = task.kernel().FindTaskLocked(task.thread_group().leader->run().creator_tid);
  if (creator != nullptr && &creator->thread_group() == parent && !creator->run().dead) return creator;
  return parent->tasks.front();
}

// Nobody may be made to trace one with more rights than he has.
Result<void> CheckTraceMeLocked(Task& parent, Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  const CredentialsRef from = parent.CredsSnapshot(), to = task.CredsSnapshot();
  if (from->user_ns == to->user_ns && (to->permitted & ~from->permitted) == 0) return {};
  return from->HasIn(to->user_ns.get(), CAP_SYS_PTRACE) ? Result<void>() : Errno(EPERM);
}

// Stops it, whatever it does, or shows that it is stopped.
void StopAttachedLocked(Task& task, bool seize) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  if (!seize) (void)task.SendSignalLocked(KernelSignal(SIGSTOP));
  if (!task.run().stopped) return;
  task.run().tracee->stop_due = true;
  task.NoticeWorkLocked(Task::RunState::kTrap, true);
}

Result<Task*> FindTraceeLocked(Task& tracer, int tid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  Task* task = tracer.kernel().FindTaskLocked(PidFromGuestLocked(tracer, tid));
  if (task == nullptr || TracerOfLocked(*task) != &tracer) return Errno(ESRCH);
  return task;
}

void LetGoOnLocked(Task& task, uint32_t mode, int signo) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  Tracee& state = *task.run().tracee;
  task.run().trace_mode = mode;
  state.signal = signo;
  state.unreported = 0;
  state.stopped = state.listening = false;
  task.Wake();
}

// The process may have been stopped meanwhile: without a tracer the task takes part in that.
void FreeLocked(Task& task, int signo) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  UnlinkTraceeLocked(task);
  LetGoOnLocked(task, 0, signo);
  uint32_t work = Task::RunState::kRefresh;
  if (task.thread_group().stopped) work |= Task::RunState::kStop;
  if (!task.run().dead) task.NoticeWorkLocked(work, true);
}

// A tracer that ends before it heard of the signal has not taken it: it is delivered.
int OfferedSignal(const Tracee& state) {
  const bool is_signal = state.stopped && state.stop.info && state.stop.info->si_code != state.stop.code;
  return is_signal ? state.unreported : 0;
}

// What stayed only because nobody had waited for it.
void ReleaseDeadLocked(Task& tracer, Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  ThreadGroup& group = task.thread_group();
  if (group.leader != &task) return ReapThreadLocked(task);
  UnlinkTraceeLocked(task);
  if (group.zombie && group.parent != &tracer.thread_group()) NotifyParentOfExitLocked(group);
}

Result<void> CheckSignal(int signo) { return signo < 0 || signo > kMaxSignal ? Errno(EIO) : Result<void>(); }

}  // namespace

Result<void> TraceMe(Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  Task* parent = ParentThreadLocked(task);
  if (TracerOfLocked(task) != nullptr || parent == nullptr) return Errno(EPERM);
  TRY(CheckTraceMeLocked(*parent, task));
  LinkLocked(*parent, task, false, 0);
  return {};
}

Result<void> Attach(Task& tracer, int tid, bool seize, uint32_t options) {
  MutexLock l(tracer.kernel().task_set_mu());
  Task* task = tracer.kernel().FindTaskLocked(PidFromGuestLocked(tracer, tid));
  if (task == nullptr) return Errno(ESRCH);
  if (&task->thread_group() == &tracer.thread_group()) return Errno(EPERM);
  TRY(CheckTraceAccessLocked(tracer, *task, EPERM));
  if (task->run().dead || TracerOfLocked(*task) != nullptr) return Errno(EPERM);
  LinkLocked(tracer, *task, seize, options);
  StopAttachedLocked(*task, seize);
  return {};
}

void InheritTracerLocked(Task& parent, Task& child) {
  const Tracee& state = *parent.run().tracee;
  LinkLocked(*state.tracer, child, state.seized, state.options);
  if (state.seized) {
    child.run().tracee->stop_due = true;
    child.run().work.fetch_or(Task::RunState::kTrap);
    return;
  }
  siginfo_t info{};
  info.si_signo = SIGSTOP;
  child.pending.Add(info);
}

void UnlinkTraceeLocked(Task& tracee) {
  if (TracerOfLocked(tracee) == nullptr) return;
  std::erase(tracee.run().tracee->tracer->run().tracees, &tracee);
  tracee.run().tracee->tracer = nullptr;
}

void ReleaseTraceesLocked(Task& tracer, std::vector<RefPtr<RefCounted>>& garbage) {
  while (!tracer.run().tracees.empty()) {
    Task& task = *tracer.run().tracees.front();
    garbage.emplace_back(&task);
    garbage.emplace_back(&task.thread_group());
    const bool kill = task.run().tracee->options & PTRACE_O_EXITKILL;
    if (task.run().dead) {
      ReleaseDeadLocked(tracer, task);
    } else {
      FreeLocked(task, OfferedSignal(*task.run().tracee));
    }
    if (kill) (void)SendToGroupLocked(task.thread_group(), KernelSignal(SIGKILL));
  }
}

Result<Task*> FindStoppedTraceeLocked(Task& tracer, int tid) {
  Task* task = TRY(FindTraceeLocked(tracer, tid));
  const Tracee& state = *task->run().tracee;
  if (!state.stopped || state.listening) return Errno(ESRCH);
  return task;
}

Result<void> ResumeTracee(Task& tracer, int tid, uint32_t mode, int signo) {
  MutexLock l(tracer.kernel().task_set_mu());
  Task* task = TRY(FindStoppedTraceeLocked(tracer, tid));
  TRY(CheckSignal(signo));
  LetGoOnLocked(*task, mode | kTraced, signo);
  return {};
}

Result<void> Detach(Task& tracer, int tid, int signo) {
  MutexLock l(tracer.kernel().task_set_mu());
  Task* task = TRY(FindStoppedTraceeLocked(tracer, tid));
  TRY(CheckSignal(signo));
  FreeLocked(*task, signo);
  return {};
}

Result<void> InterruptTracee(Task& tracer, int tid) {
  MutexLock l(tracer.kernel().task_set_mu());
  Task* task = TRY(FindTraceeLocked(tracer, tid));
  if (!task->run().tracee->seized) return Errno(EIO);
  if (!task->run().dead) NoticeJobControlLocked(*task);
  return {};
}

Result<void> ListenToTracee(Task& tracer, int tid) {
  MutexLock l(tracer.kernel().task_set_mu());
  Task* task = TRY(FindStoppedTraceeLocked(tracer, tid));
  Tracee& state = *task->run().tracee;
  if (!state.seized || state.stop.code >> 8 != PTRACE_EVENT_STOP) return Errno(EIO);
  state.listening = true;
  if (state.stop_due) NoticeJobControlLocked(*task);  // it came while the tracer had it
  return {};
}

Result<void> KillTracee(Task& tracer, int tid) {
  MutexLock l(tracer.kernel().task_set_mu());
  Task* task = TRY(FindTraceeLocked(tracer, tid));
  return SendToGroupLocked(task->thread_group(), KernelSignal(SIGKILL));
}

Result<std::vector<std::byte>> ReadTraceeFp(Task& tracer, int tid) {
  for (;;) {
    {
      MutexLock l(tracer.kernel().task_set_mu());
      Task* task = TRY(FindStoppedTraceeLocked(tracer, tid));
      Tracee& state = *task->run().tracee;
      if (!state.fp.empty()) return state.fp;
      if (!std::exchange(state.fp_wanted, true)) task->Wake();
    }
    if (!tracer.BlockKillable().ok()) return Errno(ESRCH);
  }
}

Task* ForeignTracerLocked(const ThreadGroup& group) {
  Task* tracer = group.leader != nullptr ? TracerOfLocked(*group.leader) : nullptr;
  return tracer != nullptr && &tracer->thread_group() != group.parent ? tracer : nullptr;
}

bool IsTracedWithoutRightsLocked(const Task& task) {
  return TracerOfLocked(task) != nullptr && !task.run().tracee->tracer_is_capable;
}

}  // namespace runsc
