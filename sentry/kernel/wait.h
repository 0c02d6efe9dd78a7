// What parents learn of their children: wait4(2), waitid(2) and SIGCHLD.
#pragma once

#include <sys/wait.h>

#include "sentry/kernel/task.h"

namespace runsc {

struct WaitQuery {
  idtype_t which = P_ALL;  // P_ALL, P_PID, P_PGID, P_PIDFD
  int id = 0;
  const ThreadGroup* process = nullptr;  // P_PIDFD: this one
  int options = 0;  // WNOHANG, WEXITED, WSTOPPED, WCONTINUED, WNOWAIT, __WALL, __WCLONE, __WNOTHREAD
};

struct WaitOutcome {
  int pid = 0;
  int guest_pid = 0;  // as the waiting task knows it
  uid_t uid = 0;
  int code = 0;         // CLD_*
  int wait_status = 0;  // wait(2) encoding
  struct rusage usage {};
};

// The next event of a matching child; pid 0 with WNOHANG and none yet; ECHILD without matching children.
Result<WaitOutcome> WaitForChild(Task& task, const WaitQuery& query);

// SIGCHLD and waiters, for stops and continues.
void NotifyParentOfJobControlLocked(ThreadGroup& group, int code, int status)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// The last thread of `group` is gone: tells the parent, or reaps at once when it does not care.
void NotifyParentOfExitLocked(ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// A parent or tracer that wants SIGCHLD for stops.
bool WantsStopNews(ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// CLD_* and si_status of an end with this wait status.
int ExitCode(int wait_status);
int ExitValue(int wait_status);
// Ends a thread that was kept for its tracer.
void ReapThreadLocked(Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// Takes a zombie out of the process table and adds its usage to the parent's.
void ReapLocked(ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);

// CPU time and faults of all threads, gone ones included.
struct rusage GroupUsageLocked(ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
struct rusage TaskUsage(const Task& task);
// Peak memory and page faults, as the host counts them for the whole process.
void AddMemoryUsage(MemoryManager& mm, struct rusage& usage);
void AddUsage(struct rusage& total, const struct rusage& more);

}  // namespace runsc
