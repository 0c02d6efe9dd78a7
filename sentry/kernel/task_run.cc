// A task's loop: run guest code, serve what it needs, do what others asked of it meanwhile.
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "sentry/kernel/current_task.h"
#include "sentry/kernel/host_placement.h"
#include "sentry/kernel/host_thread.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/seccomp.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/trace_stop.h"

namespace runsc {
namespace {

thread_local Task* current_task = nullptr;

bool IsRestartCode(const SyscallResult& result) { return !result.ok() && result.error().value() >= 512; }

// A call the stub makes itself was cut short by a signal, or not begun. Only waiting is visibly so.
Errno InterruptedCode(const SyscallRequest& call) {
  const int command = static_cast<int>(call.args[1]) & FUTEX_CMD_MASK;
  const bool locking = command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2;
  const bool waiting = call.number == SYS_futex_waitv || (call.number == SYS_futex && !locking);
  return waiting ? kRestartSys : kRestartNoIntr;
}

int64_t ToRax(const SyscallResult& result) { return result.ok() ? *result : -int64_t{result.error().value()}; }

}  // namespace

Task* CurrentTask() { return current_task; }

void Task::StartThread(ReservedThread thread) {
  IncRef();  // the thread's own reference
  kernel_.TaskThreadStarted();
  std::move(thread).Run(&ThreadMain, this);
}

void Task::ThreadMain(void* raw) {
  Task* task = static_cast<Task*>(raw);
  Kernel& kernel = task->kernel_;
  current_task = task;
  task->StartClock();
  current_thread_cpus = &task->run_->cpus;
  task->RunLoop();
  current_thread_cpus = nullptr;
  task->DoExit();
  task->run_->has_clock = false;  // the thread will serve others
  current_task = nullptr;
  task->DecRef();
  kernel.TaskThreadEnded();
}

// The host thread may have served other tasks before.
void Task::StartClock() {
  RunState& run = *run_;
  timespec used;
  if (pthread_getcpuclockid(pthread_self(), &run.sentry_clock) != 0) return;
  if (clock_gettime(run.sentry_clock, &used) != 0) return;
  run.sentry_clock_base_ns = static_cast<uint64_t>(ToNs(used));
  run.has_clock.store(true, std::memory_order_release);
}

// Each context anew: exec brings another. A tracer hears of a thread's end before anybody else.
void Task::TellForwarded() {
  static const CallSet kAll = ~CallSet();
  static const CallSet kExit = CallSet().set(SYS_exit);
  const uint32_t mode = run_->trace_mode.load(std::memory_order_relaxed);
  const bool stops_at_calls = mode & ~uint32_t{kTraced};
  const CallSet& judged = CallsToJudge(*this);
  const bool wants_all =
      stops_at_calls || kernel_.tracer() != nullptr || run_->read_implies_exec || (mode != 0 && judged.any());
  const CallSet* calls = wants_all ? &kAll : mode != 0 ? &kExit : &judged;
  if (std::exchange(run_->forwarded, calls) != calls) context_->SetForwarded(*calls);
}

void Task::RunLoop() {
  RunState& run = *run_;
  if (run.launched) RunOnce();
  while (!run.exiting) {
    if (run.HasWork()) {
      // A call that the stub has not begun is cut short, like one that it has.
      const auto call = std::exchange(run.submitted, std::nullopt);
      call ? HandleSyscall(Event{.kind = Event::kSyscall, .was_interrupted = true, .syscall = *call}) : DoWork();
      continue;
    }
    if (run.restart_due) {
      RestartFromRegisters(*this);
      RestoreTemporaryMask();
      continue;  // the mask may have held signals back
    }
    if (run.trace_mode != 0) PrepareTracedRun(*this);
    if (!EnterGuest()) continue;
    TellForwarded();
    run.submitted.reset();
    RunOnce();
  }
}

// Whoever sets work from here on sees in_guest and interrupts; who set it before is seen here.
bool Task::EnterGuest() {
  run_->in_guest.store(true);
  if (run_->work.load() == 0) return true;
  run_->in_guest.store(false);
  return false;
}

void Task::RunOnce() {
  if (run_->stay && !run_->stay->Begin(*this)) run_->stay.reset();
  const Event event = context_->Run();
  if (run_->stay) run_->stay->End(*this);
  run_->in_guest.store(false, std::memory_order_release);
  if (!run_->placed) PlaceHostThread(*this);
  HandleEvent(event);
}

// For a child that is about to get its thread, by its maker: guest code starts at once instead of when the thread has
// come to run. Not where something must be done to the child before.
void Task::Launch() {
  RecalculatePending();
  const bool bound = run_->cpus.version() != 0;  // its thread takes the guest to its CPUs
  if (bound || run_->trace_mode != 0 || !EnterGuest()) return;
  TellForwarded();
  run_->launched = context_->Launch();
  if (!run_->launched) run_->in_guest.store(false);
}

void Task::HandleEvent(const Event& event) {
  switch (event.kind) {
    case Event::kSyscall:
      return HandleSyscall(event);
    case Event::kFault:
      return HandleFault(event.fault);
    case Event::kInterrupted:
      return HandleInterrupted();
    case Event::kKilled:
      ExitGroup(SIGKILL);
      return;
  }
}

// Also the end of a call that the stub made for a traced task.
void Task::HandleInterrupted() {
  RecalculatePending();  // the mask may have changed in the stub
  if (!std::exchange(run_->native_reports, false)) return;
  Registers regs = context_->ReadRegisters();
  regs.orig_rax = run_->current_call;
  context_->WriteRegisters(regs);
  StopAfterCall(*this);
}

SyscallResult Task::Dispatch(SyscallRequest request) {
  if (run_->seccomp_mode.load(std::memory_order_relaxed) != 0) {
    if (auto verdict = CheckSeccomp(*this, request)) return *verdict;
  }
  const SyscallTable& table = kernel_.syscalls();
  const uint32_t number = static_cast<uint32_t>(request.number);  // the kernel looks at eax, not rax
  if (number >= SyscallTable::kSize) return Errno(ENOSYS);
  const auto handler = table.entries[number].handler;
  return handler != nullptr ? handler(*this, request) : SyscallResult(Errno(ENOSYS));
}

// The registers tell what became of the call, as Linux has it: a tracer may look and change that. It starts over
// when guest code runs.
void Task::ShowInterrupted(Errno code) {
  run_->restart_due = true;
  context_->SetSyscallResult(-int64_t{code.value()});
}

// As HandleSyscall, with the stops a tracer wants.
void Task::HandleTracedSyscall(const Event& event) {
  SyscallRequest call = event.syscall;
  std::optional<int64_t> skipped;
  if (!event.was_interrupted) skipped = StopBeforeCall(*this, call);
  const SyscallTracer* tracer = kernel_.tracer();
  if (tracer != nullptr) tracer->enter(*this, call);
  run_->native_reports = false;
  run_->current_call = call.number;
  SyscallResult result = event.was_interrupted ? SyscallResult(InterruptedCode(call))
                         : skipped             ? SyscallResult(*skipped)
                                               : Dispatch(call);
  if (tracer != nullptr) tracer->exit(*this, call, result);
  if (IsRestartCode(result)) {
    ShowInterrupted(result.error());
  } else {
    FinishSyscall(event, result);
  }
  if (!run_->native_reports) StopAfterCall(*this);
}

void Task::HandleSyscall(const Event& event) {
  const SyscallTracer* tracer = kernel_.tracer();
  syscalls.store(syscalls.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  run_->current_call = event.syscall.number;
  if (run_->trace_mode != 0) return HandleTracedSyscall(event);
  if (tracer != nullptr) tracer->enter(*this, event.syscall);
  SyscallResult result =
      event.was_interrupted ? SyscallResult(InterruptedCode(event.syscall)) : Dispatch(event.syscall);
  while (IsRestartCode(result)) {
    if (!RestartCall(event, result)) break;
  }
  if (tracer != nullptr) tracer->exit(*this, event.syscall, result);
  if (!IsRestartCode(result)) FinishSyscall(event, result);
}

// A call was cut short. Handlers of pending signals decide what becomes of it; without any it goes on. False
// when the guest's registers say what is next.
bool Task::RestartCall(const Event& event, SyscallResult& result) {
  const Errno code = result.error();
  if (run_->trace_mode != 0) {
    ShowInterrupted(code);
    return false;
  }
  if (run_->work & ~uint32_t{RunState::kSignal}) DoWork();
  if (run_->exiting || DeliverSignals(code) || run_->exiting) return false;
  RestoreTemporaryMask();
  if (event.was_interrupted) {
    context_->SubmitNative(event.syscall, false);
    run_->submitted = event.syscall;
    return false;
  }
  result = code == kRestartBlock ? restart_(*this) : Dispatch(event.syscall);
  return true;
}

void Task::FinishSyscall(const Event& event, const SyscallResult& result) {
  if (run_->registers_replaced) {
    run_->registers_replaced = false;
    return;
  }
  // A mask that was only for the call goes before signals are looked at, unless one of them ended the call.
  if (run_->saved_mask && (result.ok() || !(result.error() == Errno(EINTR)))) RestoreTemporaryMask();
  if (!run_->exiting) context_->SetSyscallResult(ToRax(result));
}

void Task::HandleFault(const FaultInfo& fault) {
  siginfo_t info{};
  info.si_signo = fault.signo;
  info.si_code = fault.code;
  info.si_addr = reinterpret_cast<void*>(fault.addr);
  run_->fault = fault;
  ForceSignal(info);
}

// Only ever called between two events or when a call was cut short.
void Task::DoWork() {
  const uint32_t work = run_->work.load();
  if (work & RunState::kKill) {
    run_->exiting = true;
    return;
  }
  if (work & RunState::kFreeze) return WaitWhileFrozen();
  if (work & RunState::kTrap) return StopIfDue(*this);
  if (work & RunState::kStop) return run_->trace_mode != 0 ? StopWithGroup(*this) : WaitWhileStopped();
  if (work & RunState::kRefresh) {
    run_->work.fetch_and(~uint32_t{RunState::kRefresh});
    if (run_->tracee && run_->trace_mode == 0) EndTracing(*this);
    return PublishIdentity();
  }
  DeliverSignals(std::nullopt);
  RestoreTemporaryMask();
}

void Task::WaitWhileFrozen() {
  while ((run_->work & RunState::kFreeze) && !(run_->work & RunState::kKill)) (void)BlockKillable();
}

// What is pending changed, or the mask did: is there anything to deliver?
void Task::RecalculatePending() {
  MutexLock l(kernel_.task_set_mu());
  const SignalSet all = pending.pending() | thread_group_->pending.pending();
  context_->SetPendingSignals(all);
  const SignalSet blocked = context_->SignalMask() & ~kUnblockable;
  if (all & ~blocked) {
    run_->work.fetch_or(RunState::kSignal);
  } else {
    run_->work.fetch_and(~RunState::kSignal);
  }
}

void Task::NoticeWorkLocked(uint32_t work, bool wake) {
  run_->work.fetch_or(work);
  if (run_->in_guest.load()) {
    MutexLock l(mu_);
    if (context_) context_->Interrupt();
  }
  if (wake) Wake();
}

SignalSet Task::signal_mask() const { return context_->SignalMask() & ~kUnblockable; }

void Task::SetSignalMask(SignalSet mask) {
  context_->SetSignalMask(mask & ~kUnblockable);
  RecalculatePending();
}

void Task::SetTemporarySignalMask(SignalSet mask) {
  if (!run_->saved_mask) run_->saved_mask = signal_mask();
  SetSignalMask(mask);
}

void Task::RestoreTemporaryMask() {
  if (!run_->saved_mask) return;
  const SignalSet mask = *run_->saved_mask;
  run_->saved_mask.reset();
  SetSignalMask(mask);
}

}  // namespace runsc
