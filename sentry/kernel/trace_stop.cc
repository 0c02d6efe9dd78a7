#include "sentry/kernel/trace_stop.h"

#include <sys/syscall.h>

#include "sentry/kernel/job_control.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/wait.h"

namespace runsc {
namespace {

constexpr uint64_t kTrapFlag = 0x100;
constexpr uint64_t kEntryMessage = 1, kExitMessage = 2;  // PTRACE_EVENTMSG_SYSCALL_*
constexpr int kCallBit = 0x80;                           // PTRACE_O_TRACESYSGOOD
constexpr int kSyscallLength = 2;
constexpr uint64_t kNoCall = ~uint64_t{0};

siginfo_t StopInfo(Task& task, int code) {
  siginfo_t info{};
  info.si_signo = code & 0x7f;
  info.si_code = code;
  info.si_pid = PidToGuest(task, task.tid());
  info.si_uid = UidToGuest(task.creds()->user_ns.get(), task.creds()->ruid);
  return info;
}

TraceStop StopWithInfo(Task& task, int code, uint64_t message = 0) { return {code, StopInfo(task, code), message}; }

// The registers as a tracer is to see them. The trap flag is ours when we step.
Registers Snapshot(Task& task, StopPlace place) {
  Registers regs = task.context().ReadRegisters();
  if (place == StopPlace::kInCall) regs.rax = static_cast<uint64_t>(-ENOSYS);
  if (task.run().step_armed) regs.eflags &= ~kTrapFlag;
  return regs;
}

bool IsKilled(Task& task, StopPlace place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  if (place == StopPlace::kExit) return task.thread_group().killed;
  return (task.run().work & Task::RunState::kKill) != 0;
}

bool BeginStop(Task& task, const TraceStop& stop, StopPlace place) {
  task.context().ShowOriginalCode(true);
  const Registers regs = Snapshot(task, place);
  MutexLock l(task.kernel().task_set_mu());
  Task::RunState& run = task.run();
  Tracee* const state = run.tracee.get();
  if (state == nullptr || state->tracer == nullptr || IsKilled(task, place)) return false;
  state->stopped = true;
  state->listening = false;
  state->stop = stop;
  state->unreported = stop.code;
  state->signal = 0;
  state->regs = regs;
  const bool stepped = std::exchange(run.step_armed, false);
  state->regs_changed = stepped || place == StopPlace::kInCall;  // the context has them otherwise
  state->fp.clear();
  state->fp_changed = false;
  run.trace_stopped = true;
  NotifyTracerLocked(task, CLD_TRAPPED, stop.code & 0x7f);
  return true;
}

// The tracer wants the FP state, which only this thread can get at.
void ServeFp(Task& task) {
  const auto fp = task.context().ReadFpState();
  MutexLock l(task.kernel().task_set_mu());
  Tracee& state = *task.run().tracee;
  state.fp.assign(fp.begin(), fp.end());
  state.fp_wanted = false;
  if (state.tracer != nullptr) state.tracer->Wake();
}

void WaitForTracer(Task& task, StopPlace place) {
  for (;;) {
    bool fp_wanted;
    {
      MutexLock l(task.kernel().task_set_mu());
      Tracee& state = *task.run().tracee;
      if (IsKilled(task, place)) state.stopped = false;
      if (!state.stopped) break;
      fp_wanted = state.fp_wanted;
    }
    if (fp_wanted) {
      ServeFp(task);
    } else {
      task.BlockUntilWoken();
    }
  }
  task.run().trace_stopped = false;
}

// Takes over what the tracer changed; the signal it gave.
int EndStop(Task& task) {
  Task::RunState& run = task.run();
  std::optional<Registers> regs;
  std::vector<std::byte> fp;
  int signo;
  {
    MutexLock l(task.kernel().task_set_mu());
    Tracee& state = *run.tracee;
    state.unreported = 0;
    state.fp_wanted = false;
    if (state.tracer != nullptr) state.tracer->Wake();  // it may wait for the FP state
    if (std::exchange(state.regs_changed, false)) regs = state.regs;
    if (std::exchange(state.fp_changed, false)) fp.swap(state.fp);
    signo = state.signal;
  }
  if (!fp.empty()) task.context().WriteFpState(fp);
  if (regs) task.context().WriteRegisters(*regs);
  if (regs) run.restart_due = true;
  run.frame_regs.reset();
  return signo;
}

uint32_t OptionsOf(Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  return TracerOfLocked(task) != nullptr ? task.run().tracee->options : 0;
}

// A signal given at a stop that is none of a signal's: as if the tracer had sent it.
void Inject(Task& task, std::optional<int> signo) {
  if (signo.value_or(0) != 0) (void)task.SendSignal(KernelSignal(*signo));
}

// What the tracer left of a call.
std::optional<int64_t> TakeCallFromRegisters(Task& task, SyscallRequest& call) {
  const Registers& regs = task.context().ReadRegisters();
  call = {regs.orig_rax, {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9}};
  if (static_cast<int32_t>(regs.orig_rax) < 0) return static_cast<int64_t>(regs.rax);
  return std::nullopt;
}

bool HasMode(Task& task, uint32_t mode) { return (task.run().trace_mode & mode) != 0; }

int CallStopCode(Task& task) { return SIGTRAP | ((OptionsOf(task) & PTRACE_O_TRACESYSGOOD) ? kCallBit : 0); }

int EventOption(int event) { return 1 << event; }

// The stop of the whole process, as this thread reports it.
std::optional<TraceStop> GroupStop(Task& task) {
  bool seized;
  int signo;
  {
    MutexLock l(task.kernel().task_set_mu());
    ThreadGroup& group = task.thread_group();
    if (TracerOfLocked(task) == nullptr) return std::nullopt;
    task.run().work.fetch_and(~uint32_t{Task::RunState::kStop | Task::RunState::kTrap});
    task.run().tracee->stop_due = false;
    seized = task.run().tracee->seized;
    if (!group.stopped && !seized) return std::nullopt;
    signo = group.stopped ? group.stop_signal : SIGTRAP;
    task.run().stopped = group.stopped;
    AnnounceStopIfCompleteLocked(group);
  }
  if (!seized) return TraceStop{signo, std::nullopt, 0};
  return StopWithInfo(task, signo | PTRACE_EVENT_STOP << 8);
}

}  // namespace

std::optional<int> StopForTracer(Task& task, TraceStop stop, StopPlace place) {
  if (!HasMode(task, kTraced) || !BeginStop(task, stop, place)) return std::nullopt;
  WaitForTracer(task, place);
  return EndStop(task);
}

bool WantsEvent(Task& task, int event) { return HasMode(task, kTraced) && (OptionsOf(task) & EventOption(event)) != 0; }

void StopAtEvent(Task& task, int event, uint64_t message, StopPlace place) {
  if (!WantsEvent(task, event)) return;
  (void)StopForTracer(task, StopWithInfo(task, SIGTRAP | event << 8, message), place);
}

void StopAtTaskEvent(Task& task, int event, int tid, StopPlace place) {
  if (!HasMode(task, kTraced)) return;
  int number = 0;
  {
    MutexLock l(task.kernel().task_set_mu());
    if (Task* tracer = TracerOfLocked(task)) number = PidToGuestLocked(*tracer, tid);
  }
  StopAtEvent(task, event, static_cast<uint64_t>(number), place);
}

void StopAtExec(Task& task, int old_tid) {
  if (!HasMode(task, kTraced)) return;
  if (WantsEvent(task, PTRACE_EVENT_EXEC))
    return StopAtTaskEvent(task, PTRACE_EVENT_EXEC, old_tid, StopPlace::kBetween);
  bool seized;
  {
    MutexLock l(task.kernel().task_set_mu());
    seized = task.run().tracee->seized;
  }
  if (!seized) (void)task.SendSignal(UserSignal(task, SIGTRAP, SI_USER));
}

std::optional<siginfo_t> OfferSignal(Task& task, siginfo_t info) {
  const int offered = info.si_signo;
  const std::optional<int> answer = StopForTracer(task, {offered, info, 0}, StopPlace::kBetween);
  if (task.run().work & Task::RunState::kKill) return std::nullopt;
  if (!answer) return info;  // the tracer is gone
  const int signo = *answer;
  MutexLock l(task.kernel().task_set_mu());
  Tracee& state = *task.run().tracee;
  if (signo != offered) task.run().forced_signals &= ~SignalBit(offered);
  if (signo == 0) return std::nullopt;
  info = *state.stop.info;  // PTRACE_SETSIGINFO
  if (signo != info.si_signo) {
    info = {};
    info.si_signo = signo;
    if (state.tracer != nullptr) {
      info.si_pid = PidToGuestLocked(task, state.tracer->pid());
      info.si_uid = state.tracer->CredsSnapshot()->ruid;
    }
  }
  if (!(task.MaskFromAnyThread() & SignalBit(signo))) return info;
  task.pending.Add(info);  // blocked: it comes when it is not
  return std::nullopt;
}

std::optional<int64_t> StopBeforeCall(Task& task, SyscallRequest& call) {
  const bool emulate = HasMode(task, kEmulateCalls);
  if (!emulate && !HasMode(task, kTraceCalls)) return std::nullopt;
  Inject(task, StopForTracer(task, StopWithInfo(task, CallStopCode(task), kEntryMessage), StopPlace::kInCall));
  const auto skipped = TakeCallFromRegisters(task, call);
  if (skipped || !emulate) return skipped;
  return static_cast<int64_t>(task.context().ReadRegisters().rax);
}

std::optional<int64_t> StopForSeccomp(Task& task, SyscallRequest& call, uint32_t data) {
  StopAtEvent(task, PTRACE_EVENT_SECCOMP, data);
  return TakeCallFromRegisters(task, call);
}

void StopAfterCall(Task& task) {
  if (task.run().exiting) return;
  if (HasMode(task, kTraceSteps)) {
    siginfo_t info{};
    info.si_signo = SIGTRAP;
    info.si_code = TRAP_BRKPT;
    info.si_addr = reinterpret_cast<void*>(task.context().ReadRegisters().rip);
    task.ForceSignal(info);
  } else if (HasMode(task, kTraceCalls)) {
    Inject(task, StopForTracer(task, StopWithInfo(task, CallStopCode(task), kExitMessage), StopPlace::kBetween));
  }
}

void StopInHandler(Task& task) { Inject(task, StopForTracer(task, StopWithInfo(task, SIGTRAP), StopPlace::kBetween)); }

void StopIfDue(Task& task) {
  {
    MutexLock l(task.kernel().task_set_mu());
    task.run().work.fetch_and(~uint32_t{Task::RunState::kTrap});
    if (!task.run().tracee || !task.run().tracee->stop_due) return;
  }
  StopWithGroup(task);
}

void StopWithGroup(Task& task) {
  if (const auto stop = GroupStop(task)) (void)StopForTracer(task, *stop, StopPlace::kBetween);
  task.run().stopped = false;
}

void PrepareTracedRun(Task& task) {
  const uint32_t mode = task.run().trace_mode;
  if (!(mode & kTraceSteps) || task.run().step_armed) return;
  Registers regs = task.context().ReadRegisters();
  regs.eflags |= kTrapFlag;
  task.context().WriteRegisters(regs);
  task.run().step_armed = true;
}

std::optional<Errno> InterruptedCallOf(const Registers& regs) {
  if (regs.orig_rax == kNoCall) return std::nullopt;
  for (const Errno code : {kRestartSys, kRestartNoIntr, kRestartNoHand, kRestartBlock}) {
    if (static_cast<int64_t>(regs.rax) == -code.value()) return code;
  }
  return std::nullopt;
}

void RestartFromRegisters(Task& task) {
  task.run().restart_due = false;
  Registers regs = task.context().ReadRegisters();
  const auto code = InterruptedCallOf(regs);
  if (!code) return;
  regs.rip -= kSyscallLength;
  regs.rax = *code == kRestartBlock ? SYS_restart_syscall : regs.orig_rax;
  task.context().WriteRegisters(regs);
}

void NoticeJobControlLocked(Task& task) {
  if (TracerOfLocked(task) == nullptr || !task.run().tracee->seized) return;
  Tracee& state = *task.run().tracee;
  state.stop_due = true;
  if (state.listening) state.stopped = state.listening = false;
  task.NoticeWorkLocked(Task::RunState::kTrap, true);
}

void NotifyTracerLocked(Task& tracee, int code, int status) {
  Task& tracer = *tracee.run().tracee->tracer;
  ThreadGroup& group = tracer.thread_group();
  if (code != CLD_TRAPPED || WantsStopNews(group)) {
    siginfo_t info{};
    info.si_signo = SIGCHLD;
    info.si_code = code;
    info.si_pid = PidToGuestLocked(tracer, tracee.tid());
    info.si_uid = tracee.CredsSnapshot()->ruid;
    info.si_status = status;
    (void)SendToGroupLocked(group, info);
  }
  group.child_events.Notify(EPOLLIN);
}

// Nobody traces the task any more: its code may be rewritten again, unless another task is traced in this memory.
void EndTracing(Task& task) {
  Kernel& kernel = task.kernel();
  MutexLock l(kernel.task_set_mu());
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
    for (Task* other : group->tasks) {
      if (other->run().trace_mode != 0 && other->MmSnapshot().get() == &task.mm()) return;
    }
  }
  task.context().ShowOriginalCode(false);
}

}  // namespace runsc
