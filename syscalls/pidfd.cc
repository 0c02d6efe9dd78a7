// Process descriptors: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2).
#include "sentry/fs/pidfd.h"

#include <sys/stat.h>

#include "sentry/fs/proc_pid_dir.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/trace_access.h"
#include "sentry/vfs/file.h"
#include "syscalls/fd_util.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr uint32_t kPidfdNonblock = O_NONBLOCK;

// /proc/PID directories serve as descriptors of the process too, for sending signals.
Result<RefPtr<ThreadGroup>> ProcessOf(Task& task, int fd) {
  RefPtr<File> file = TRY(task.fds().Get(fd));
  if (PidFile* pidfd = FileAs<PidFile>(*file)) return RefPtr<ThreadGroup>(&pidfd->process());
  if (ProcPidDirFile* directory = FileAs<ProcPidDirFile>(*file)) return RefPtr<ThreadGroup>(&directory->process());
  return Errno(EBADF);
}

// The code decides who can be impersonated: anybody only oneself.
Result<siginfo_t> SignalToSend(Task& task, ThreadGroup& process, int signo, GuestAddr info_addr) {
  if (info_addr == 0) return UserSignal(task, signo, SI_USER);
  const siginfo_t info = TRY(task.CopyInObject<siginfo_t>(info_addr));
  if (info.si_signo != signo) return Errno(EINVAL);
  if ((info.si_code >= 0 || info.si_code == SI_TKILL) && &process != &task.thread_group()) return Errno(EPERM);
  return info;
}

}  // namespace

// pidfd_open(2)
SyscallResult SysPidfdOpen(Task& task, int pid, uint32_t flags) {
  if (flags & ~kPidfdNonblock) return Errno(EINVAL);
  if (pid <= 0) return Errno(EINVAL);
  RefPtr<ThreadGroup> process;
  {
    Kernel& kernel = task.kernel();
    MutexLock l(kernel.task_set_mu());
    const int tid = PidFromGuestLocked(task, pid);
    ThreadGroup* group = kernel.FindThreadGroupLocked(tid);
    if (group == nullptr) return Errno(kernel.FindTaskLocked(tid) != nullptr ? EINVAL : ESRCH);  // a thread
    process = RefPtr<ThreadGroup>(group);
  }
  return InstallFd(task, NewPidFile(task, std::move(process), static_cast<int>(flags)), true);
}

// pidfd_send_signal(2)
SyscallResult SysPidfdSendSignal(Task& task, int fd, int signo, GuestAddr info_addr, uint32_t flags) {
  if (flags != 0) return Errno(EINVAL);
  RefPtr<ThreadGroup> process = TRY(ProcessOf(task, fd));
  if (!SeesProcess(task.thread_group().pid_ns.get(), *process)) return Errno(EINVAL);
  if (signo < 0 || signo > kMaxSignal) return Errno(EINVAL);
  const siginfo_t info = TRY(SignalToSend(task, *process, signo, info_addr));
  TRY(KillProcess(task, *process, info));
  return int64_t{0};
}

// pidfd_getfd(2)
SyscallResult SysPidfdGetfd(Task& task, int fd, int target_fd, uint32_t flags) {
  if (flags != 0) return Errno(EINVAL);
  RefPtr<File> file = TRY(task.fds().Get(fd));
  PidFile* pidfd = FileAs<PidFile>(*file);
  if (pidfd == nullptr) return Errno(EBADF);
  RefPtr<Task> target;
  {
    MutexLock l(task.kernel().task_set_mu());
    ThreadGroup& process = pidfd->process();
    if (!process.tasks.empty()) target = RefPtr<Task>(process.tasks.front());
  }
  if (!target) return Errno(ESRCH);
  TRY(CheckTraceAccess(task, *target, EPERM));
  RefPtr<FdTable> fds = target->FdsSnapshot();
  if (!fds) return Errno(ESRCH);
  return InstallFd(task, TRY(fds->Get(target_fd)), true);
}

}  // namespace runsc
