// Process and thread numbers as a task's own pid namespace counts them. The sentry works with the numbers of
// the sandbox's first namespace; the system calls translate by these.
#pragma once

#include "sentry/kernel/pid_namespace.h"
#include "sentry/kernel/task.h"

namespace runsc {

// --- what `viewer` calls the task or process that the sentry calls `tid`; 0 if he cannot see it.
int PidToGuestLocked(const Task& viewer, int tid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
int PidToGuest(const Task& viewer, int tid);
inline bool InFirstPidNamespace(const Task& viewer) { return !viewer.thread_group().pid_ns; }
// --- what the sentry calls the one `viewer` calls `number`; nobody: kNoSuchPid.
inline constexpr int kNoSuchPid = INT32_MAX;
int PidFromGuestLocked(const Task& viewer, int number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
int PidFromGuest(const Task& viewer, int number);
// As above for calls where 0 means the caller and negative numbers a group: those keep their meaning.
int SignedPidFromGuest(const Task& viewer, int number);

// Who the task is, as itself sees it.
ThreadIdentity IdentityOf(const Task& task, const Credentials& creds);

// Its numbers below the first namespace, outermost first (NSpid).
std::vector<int> InnerPidsLocked(const ThreadGroup& group, int tid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);

// Numbers in every namespace from `ns` up to, without the first. `wanted`: innermost first; missing: any.
Result<void> AddToPidNamespacesLocked(PidNamespace* ns, int tid, std::span<const int32_t> wanted)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
void RemoveFromPidNamespacesLocked(PidNamespace* ns, int tid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);

// Is it the init process of its pid namespace (or of the sandbox)?
bool IsNamespaceInitLocked(const ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// And gets no signal that it has no handler for?
bool IsShieldedInitLocked(const ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// Does `viewer` see `group`: is it in his pid namespace or below?
bool SeesProcess(const PidNamespace* viewer, const ThreadGroup& group);

}  // namespace runsc
