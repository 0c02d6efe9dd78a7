// How threads are scheduled: what the calls of sched(7) and setpriority(2) share.
#pragma once

#include <linux/sched.h>
#include <sched.h>

#include "sentry/kernel/task.h"

namespace runsc {

// The thread with number `pid`, or the caller for 0. EINVAL, ESRCH.
Result<RefPtr<Task>> FindOrSelf(Task& task, int pid);
bool MaySchedule(const Task& task, const Task& other);
// EPERM, EACCES: lower than before needs CAP_SYS_NICE or RLIMIT_NICE.
Result<void> SetNice(Task& task, Task& target, int nice);

// SCHED_*, without the flag that may be kept with it.
inline int PolicyOf(const Task& task) { return task.sched_policy & ~SCHED_RESET_ON_FORK; }

}  // namespace runsc
