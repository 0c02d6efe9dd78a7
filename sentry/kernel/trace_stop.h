// The tracee's side of ptrace(2): where it stops, and what it does with what its tracer left. The task's own
// thread calls these; they return at once when the task is not traced.
#pragma once

#include <sys/ptrace.h>

#include "sentry/kernel/task.h"
#include "sentry/kernel/tracee.h"

namespace runsc {

enum class StopPlace {
  kInCall,   // within a system call: rax reads -ENOSYS
  kBetween,  // after one, or anywhere in guest code
  kExit,     // the task is ending
};

// Stops until the tracer lets it go on, or SIGKILL; the signal the tracer gave. Nothing when it did not stop.
std::optional<int> StopForTracer(Task& task, TraceStop stop, StopPlace place);
// PTRACE_EVENT_*, if the tracer wants it.
void StopAtEvent(Task& task, int event, uint64_t message, StopPlace place = StopPlace::kInCall);
bool WantsEvent(Task& task, int event);
// The same for an event about another task, whose number the tracer knows as his namespace has it.
void StopAtTaskEvent(Task& task, int event, int tid, StopPlace place = StopPlace::kInCall);
// exec is done; `old_tid` is the number the task had before.
void StopAtExec(Task& task, int old_tid);

// What a signal becomes: nothing when the tracer kept it.
std::optional<siginfo_t> OfferSignal(Task& task, siginfo_t info);

// A stop before a call. `call` becomes what the tracer wants; a value is the result, and there is no call.
std::optional<int64_t> StopBeforeCall(Task& task, SyscallRequest& call);
std::optional<int64_t> StopForSeccomp(Task& task, SyscallRequest& call, uint32_t data);
void StopAfterCall(Task& task);
// A handler's frame was pushed while single-stepping.
void StopInHandler(Task& task);

// Stops that are due between two events: PTRACE_INTERRUPT, job control.
void StopIfDue(Task& task);
void StopWithGroup(Task& task);

// Single steps are the trap flag's.
void PrepareTracedRun(Task& task);
// After the tracer let go.
void EndTracing(Task& task);
// The restart code in the registers of an interrupted call, if any.
std::optional<Errno> InterruptedCallOf(const Registers& regs);
// An interrupted call without a handler starts over when the guest runs.
void RestartFromRegisters(Task& task);

// News for seized tracees: the process was stopped or continued.
void NoticeJobControlLocked(Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// SIGCHLD and a wake for the tracer: `code` is CLD_*.
void NotifyTracerLocked(Task& tracee, int code, int status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);

}  // namespace runsc
