// Tracing: who traces whom, and what tracers do with their tracees (ptrace(2)). trace_stop.h is the tracee's side.
#pragma once

#include "sentry/kernel/run_state.h"
#include "sentry/kernel/task.h"

namespace runsc {

// --- taking hold and letting go
Result<void> TraceMe(Task& task);
// PTRACE_ATTACH, or PTRACE_SEIZE with `options`.
Result<void> Attach(Task& tracer, int tid, bool seize, uint32_t options);
// A new task of a traced one is traced as well. Before it runs.
void InheritTracerLocked(Task& parent, Task& child) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// The tracer ends: lets go of all; what was kept for it only comes to an end. `garbage` is to be freed outside
// the lock.
void ReleaseTraceesLocked(Task& tracer, std::vector<RefPtr<RefCounted>>& garbage)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// The tracee is no more, or nobody's: out of its tracer's list.
void UnlinkTraceeLocked(Task& tracee) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);

// --- a tracee at its tracer's disposal, or ESRCH. The lock must stay held while it is used.
Result<Task*> FindStoppedTraceeLocked(Task& tracer, int tid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);

// PTRACE_CONT and its like: `mode` is how it runs until the next stop.
Result<void> ResumeTracee(Task& tracer, int tid, uint32_t mode, int signo);
Result<void> Detach(Task& tracer, int tid, int signo);
Result<void> InterruptTracee(Task& tracer, int tid);
Result<void> ListenToTracee(Task& tracer, int tid);
Result<void> KillTracee(Task& tracer, int tid);
// The XSAVE image at the stop.
Result<std::vector<std::byte>> ReadTraceeFp(Task& tracer, int tid);

// --- what others need to know
inline Task* TracerOfLocked(const Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  return task.run().tracee ? task.run().tracee->tracer : nullptr;
}
// A process' tracer in another process than its parent hears of its end first.
Task* ForeignTracerLocked(const ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// Traced by somebody who could not run it with the rights that exec would give.
bool IsTracedWithoutRightsLocked(const Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);

}  // namespace runsc
