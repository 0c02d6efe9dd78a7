// What pending signals do to a task: handlers' frames, default actions, stops.
#include <sys/wait.h>

#include "sentry/kernel/core_dump.h"
#include "sentry/kernel/job_control.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_frame.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/trace_stop.h"
#include "sentry/kernel/wait.h"

namespace runsc {
namespace {

constexpr uint64_t kIgnoreHandler = 1;
constexpr uint64_t kSaRestart = 0x10000000, kSaNodefer = 0x40000000, kSaResetHand = 0x80000000;
constexpr int kSyscallLength = 2;
constexpr uint64_t kTrapFlag = 0x100;

// Does the interrupted call start over after the handler?
bool Restarts(Errno code, uint64_t action_flags) {
  if (code == kRestartNoIntr) return true;
  return code == kRestartSys && (action_flags & kSaRestart);
}

void FixUpInterruptedCall(Registers& regs, Errno code, uint64_t action_flags, uint64_t number) {
  if (Restarts(code, action_flags)) {
    regs.rip -= kSyscallLength;
    regs.rax = number;
  } else {
    regs.rax = static_cast<uint64_t>(-EINTR);
  }
}

// The other threads end meanwhile; the parent hears of it when the core is written.
void EndBySignal(Task& task, const siginfo_t& info) {
  task.ExitGroup(info.si_signo);
  if (!IsCoreSignal(info.si_signo) || !DumpCore(task, info)) return;
  MutexLock l(task.kernel().task_set_mu());
  int& status = task.thread_group().exit_status;
  if (status == info.si_signo) status |= __WCOREFLAG;
}

}  // namespace

struct Task::Delivery {
  siginfo_t info;
  KernelSigaction action;
};

std::optional<siginfo_t> Task::DequeueSignal() {
  const SignalSet blocked = signal_mask();
  MutexLock l(kernel_.task_set_mu());
  if (thread_group_->exiting) return std::nullopt;
  if (auto own = pending.Take(blocked)) return own;
  return thread_group_->pending.Take(blocked);
}

// A signal that has a handler, a fatal or a stopping default; others are done with.
std::optional<Task::Delivery> Task::DecideDelivery(const siginfo_t& info) {
  const int signo = info.si_signo;
  MutexLock l(kernel_.task_set_mu());
  ThreadGroup& group = *thread_group_;
  KernelSigaction& action = group.actions->value.actions[signo];
  const bool forced = run_->forced_signals & SignalBit(signo);
  run_->forced_signals &= ~SignalBit(signo);
  if (action.handler == kIgnoreHandler) return std::nullopt;
  if (action.handler == 0) {
    const DefaultAction what = DefaultActionOf(signo);
    if (what == DefaultAction::kIgnore || what == DefaultAction::kContinue) return std::nullopt;
    if (IsShieldedInitLocked(group) && !forced) return std::nullopt;
    if (what == DefaultAction::kStop && signo != SIGSTOP && IsOrphanedLocked(kernel_, group.pgid)) return std::nullopt;
  }
  Delivery delivery{info, action};
  if (action.handler > kIgnoreHandler && (action.flags & kSaResetHand)) action.handler = 0;
  return delivery;
}

// The next one there is something to do about. A tracer sees all of them first.
std::optional<Task::Delivery> Task::NextDelivery() {
  for (;;) {
    if (run_->work & RunState::kTrap) StopIfDue(*this);  // those come before signals
    auto info = DequeueSignal();
    if (!info) return std::nullopt;
    if (run_->trace_mode != 0) info = OfferSignal(*this, *info);
    if (!info) continue;
    if (auto delivery = DecideDelivery(*info)) return delivery;
  }
}

// True when a handler's frame was pushed: the registers say what runs next.
bool Task::DeliverSignals(std::optional<Errno> restart) {
  bool pushed = false;
  while (!run_->exiting) {
    const auto delivery = NextDelivery();
    if (!delivery) break;
    if (!ActOnSignal(*delivery, pushed ? std::nullopt : restart)) continue;
    pushed = true;
  }
  if (run_->work & RunState::kKill) run_->exiting = true;
  run_->frame_regs.reset();
  if (!run_->exiting) RecalculatePending();
  return pushed;
}

bool Task::ActOnSignal(const Delivery& delivery, std::optional<Errno> restart) {
  const int signo = delivery.info.si_signo;
  if (delivery.action.handler != 0) return PushHandlerFrame(delivery, restart);
  if (DefaultActionOf(signo) == DefaultAction::kStop) {
    BeginGroupStop(signo);
    if (run_->trace_mode != 0) {
      StopWithGroup(*this);
    } else {
      WaitWhileStopped();
    }
    return false;
  }
  EndBySignal(*this, delivery.info);
  return false;
}

// What the handler's frame shows of the interrupted call, and of a tracer that steps.
void Task::FixUpForHandler(Registers& regs, const Delivery& delivery, std::optional<Errno> restart) {
  if (restart) FixUpInterruptedCall(regs, *restart, delivery.action.flags, run_->current_call);
  if (std::exchange(run_->restart_due, false)) {
    if (const auto code = InterruptedCallOf(regs)) {
      FixUpInterruptedCall(regs, *code, delivery.action.flags, regs.orig_rax);
    }
  }
  if (std::exchange(run_->step_armed, false)) regs.eflags &= ~kTrapFlag;
}

bool Task::PushHandlerFrame(const Delivery& delivery, std::optional<Errno> restart) {
  const int signo = delivery.info.si_signo;
  RunState& run = *run_;
  if (!run.frame_regs) {
    if (restart) context_->SetSyscallResult(-EINTR);  // what the call wrote already counts
    run.frame_regs = context_->ReadRegisters();
    const auto fp = context_->ReadFpState();
    run.frame_fp.assign(fp.begin(), fp.end());
  }
  Registers& regs = *run.frame_regs;
  FixUpForHandler(regs, delivery, restart);
  const SignalSet current = signal_mask();
  const SignalSet saved = run.saved_mask.value_or(current);
  run.saved_mask.reset();
  const FrameRequest request{delivery.info, delivery.action, run.fault, saved, run.frame_fp};
  if (!PushSignalFrame(*this, request, regs).ok()) {
    if (signo == SIGSEGV) {
      ExitGroup(SIGSEGV);
    } else {
      ForceSignal(KernelSignal(SIGSEGV));
    }
    context_->WriteRegisters(regs);  // as they were, but for a restart decided above
    return true;
  }
  const SignalSet own = (delivery.action.flags & kSaNodefer) ? 0 : SignalBit(signo);
  context_->SetSignalMask((current | delivery.action.mask | own) & ~kUnblockable);
  run.frame_fp = InitialFpState(run.frame_fp.size());
  context_->WriteFpState(run.frame_fp);
  context_->WriteRegisters(regs);
  if (run.trace_mode & kTraceSteps) StopInHandler(*this);
  return true;
}

void Task::BeginGroupStop(int signo) {
  MutexLock l(kernel_.task_set_mu());
  ThreadGroup& group = *thread_group_;
  if (group.exiting) return;
  if (group.stopped) return NoticeWorkLocked(RunState::kStop, false);  // a tracer let this thread go on
  group.stopped = true;
  group.stop_signal = signo;
  group.stop_reported = false;
  group.continue_pending = false;
  group.stop_announced = false;
  for (Task* task : group.tasks) task->NoticeWorkLocked(RunState::kStop, true);
}

// The last thread to stop tells the parent.
void Task::WaitWhileStopped() {
  run_->stopped = true;
  {
    MutexLock l(kernel_.task_set_mu());
    AnnounceStopIfCompleteLocked(*thread_group_);
  }
  while ((run_->work & RunState::kStop) && !(run_->work & (RunState::kKill | RunState::kTrap))) (void)BlockKillable();
  run_->stopped = false;
}

}  // namespace runsc
