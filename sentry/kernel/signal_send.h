// Sending signals: to processes, process groups and everybody, by the rules of kill(2).
#pragma once

#include "sentry/kernel/task.h"

namespace runsc {

enum class DefaultAction { kTerminate, kIgnore, kStop, kContinue };
DefaultAction DefaultActionOf(int signo);

// A siginfo as the kernel itself (SI_KERNEL) or a user (SI_USER, SI_TKILL) sends it.
siginfo_t KernelSignal(int signo);
siginfo_t UserSignal(const Task& sender, int signo, int code);

// Process-directed: any thread that does not block it may take it. EAGAIN when the queue limit is hit.
Result<void> SendToGroupLocked(ThreadGroup& group, const siginfo_t& info)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
Result<void> SendToGroup(ThreadGroup& group, const siginfo_t& info);
// To every member; ESRCH if there is none. Used by the terminal and orphaned groups.
Result<void> SendToProcessGroupLocked(Kernel& kernel, int pgid, const siginfo_t& info)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);

// Ends the whole process with this wait status (fatal signals, exit_group).
void KillGroupLocked(ThreadGroup& group, int wait_status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);

// kill(2): pid > 0, 0, -1, < -1. `info` carries the signal; signo 0 only checks.
Result<void> Kill(Task& sender, int pid, const siginfo_t& info);
// To one process (pidfd_send_signal(2)); ESRCH when it was waited for.
Result<void> KillProcess(Task& sender, ThreadGroup& group, const siginfo_t& info);
// tgkill(2) and tkill(2) (tgid <= 0).
Result<void> KillThread(Task& sender, int tgid, int tid, const siginfo_t& info);
// EPERM unless the sender may signal the group: credentials(7).
Result<void> CheckKillPermission(const Task& sender, const Task& target, int signo)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
// For signals that are ordered and sent later, perhaps when who ordered them is gone (O_ASYNC, leases): root, or the
// target's own user.
bool MayOrderSignals(uid_t ruid, uid_t euid, const Task& target);

}  // namespace runsc
