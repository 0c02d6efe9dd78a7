// Processes and threads: clone, execve, exit, wait, groups and sessions, prctl.
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <sys/wait.h>

#include <algorithm>

#include "sentry/fs/pidfd.h"
#include "sentry/fs/proc_magic.h"
#include "sentry/kernel/job_control.h"
#include "sentry/kernel/namespaces.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/process_timers.h"
#include "sentry/kernel/read_ahead.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/seccomp.h"
#include "sentry/kernel/wait.h"
#include "syscalls/copy_path.h"
#include "syscalls/fd_util.h"
#include "syscalls/handlers.h"
#include "syscalls/identity.h"

namespace runsc {
namespace {

constexpr size_t kMaxArgLength = 131072;           // MAX_ARG_STRLEN
constexpr uint64_t kArgLimit = uint64_t{6} << 20;  // 3/4 of _STK_LIM
constexpr size_t kMaxArgStrings = 0x7fffffff;

// How many bytes of strings and pointers one execve may still bring.
struct ArgBudget {
  uint64_t left;
  Result<void> Spend(uint64_t bytes) {
    if (bytes > left) return Errno(E2BIG);
    left -= bytes;
    return {};
  }
};

Result<std::string> CopyInArgument(ReadAhead& memory, GuestAddr addr) {
  std::string text;
  while (text.size() < kMaxArgLength) {
    const std::string_view bytes = memory.At(addr + text.size());
    if (bytes.empty()) return Errno(EFAULT);
    const size_t end = bytes.find('\0');
    text.append(bytes.substr(0, end));
    if (end != bytes.npos) break;
  }
  if (text.size() >= kMaxArgLength) return Errno(E2BIG);
  return text;
}

Result<std::vector<std::string>> CopyInStrings(ReadAhead& memory, GuestAddr addr, ArgBudget& budget) {
  std::vector<std::string> strings;
  if (addr == 0) return strings;
  for (size_t i = 0; i < kMaxArgStrings; ++i) {
    const GuestAddr pointer = TRY(memory.ReadObject<uint64_t>(addr + i * 8));
    if (pointer == 0) return strings;
    std::string argument = TRY(CopyInArgument(memory, pointer));
    TRY(budget.Spend(argument.size() + 1 + sizeof(uint64_t)));
    strings.push_back(std::move(argument));
  }
  return Errno(E2BIG);
}

SyscallResult DoExec(Task& task, const Path& start, std::string path, GuestAddr argv, GuestAddr envp, int flags) {
  ArgBudget budget{std::max<uint64_t>(std::min(task.rlimit(RLIMIT_STACK) / 4, kArgLimit), kMaxArgLength)};
  ReadAhead memory(task);
  auto args = TRY(CopyInStrings(memory, argv, budget));
  auto env = TRY(CopyInStrings(memory, envp, budget));
  TRY(task.Exec(start, std::move(path), std::move(args), std::move(env), flags));
  return int64_t{0};
}

// clone3(2)'s argument, as far as we know it.
struct Clone3Args {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

constexpr size_t kClone3MinSize = 64;

// A bigger struct is fine as long as what we do not know is zero.
Result<Clone3Args> CopyInClone3(Task& task, GuestAddr addr, uint64_t size) {
  if (size > 4096) return Errno(E2BIG);
  if (size < kClone3MinSize) return Errno(EINVAL);
  Clone3Args args{};
  std::vector<std::byte> raw(size);
  TRY(task.CopyIn(addr, raw.data(), size));
  for (size_t i = sizeof(args); i < size; ++i) {
    if (raw[i] != std::byte{0}) return Errno(E2BIG);
  }
  std::copy_n(raw.data(), std::min(size, sizeof(args)), reinterpret_cast<std::byte*>(&args));
  return args;
}

Result<void> CopyOutRusage(Task& task, GuestAddr addr, const struct rusage& usage) {
  if (addr == 0) return {};
  return task.CopyOutObject(addr, usage);
}

constexpr size_t kMaxSetTid = 32;  // MAX_PID_NS_LEVEL

// Takes the rights clone3's set_tid needs: over the pid namespace of every number it names.
Result<std::vector<int32_t>> CopyInSetTid(Task& task, const Clone3Args& in) {
  std::vector<int32_t> numbers;
  if (in.set_tid_size > kMaxSetTid || (in.set_tid == 0) != (in.set_tid_size == 0)) return Errno(EINVAL);
  if (in.set_tid_size == 0) return numbers;
  numbers.resize(in.set_tid_size);
  TRY(task.CopyIn(in.set_tid, numbers.data(), numbers.size() * sizeof(int32_t)));
  for (const int32_t number : numbers) {
    if (number < 1) return Errno(EINVAL);
  }
  const RefPtr<PidNamespace> innermost = PidNamespaceForChildren(task);
  const PidNamespace* ns = innermost.get();
  for (size_t i = (in.flags & CLONE_NEWPID) ? 1 : 0; i < numbers.size(); ++i) {
    const UserNamespace* owner = ns != nullptr ? ns->owner().get() : nullptr;
    if (!task.creds()->HasIn(owner, CAP_SYS_ADMIN) && !task.creds()->HasIn(owner, CAP_CHECKPOINT_RESTORE))
      return Errno(EPERM);
    if (ns == nullptr) break;
    ns = ns->parent().get();
  }
  return numbers;
}

// CLONE_PIDFD: the descriptor is there before the child runs, and taken back if it never does.
SyscallResult CloneWithPidfd(Task& task, const Task::CloneArgs& args) {
  if (!(args.flags & CLONE_PIDFD)) return task.Clone(args);
  int fd = -1;
  task.run().announce_child = [&](ThreadGroup& child) -> Result<void> {
    fd = static_cast<int>(TRY(InstallFd(task, NewPidFile(task, RefPtr<ThreadGroup>(&child), 0), true)));
    return task.CopyOutObject<int32_t>(args.pidfd, fd);
  };
  const SyscallResult result = task.Clone(args);
  task.run().announce_child = nullptr;
  if (!result.ok() && fd >= 0) (void)task.fds().Remove(fd);
  return result;
}

int OwnOrPid(const Task& task, int pid) { return pid > 0 ? PidFromGuest(task, pid) : pid; }

SyscallResult ForkLike(Task& task, uint64_t flags) {
  Task::CloneArgs args;
  args.flags = flags;
  args.exit_signal = SIGCHLD;
  return task.Clone(args);
}

SyscallResult PrctlName(Task& task, int option, GuestAddr addr) {
  if (option == PR_GET_NAME) {
    char name[16] = {};
    task.name().copy(name, 15);
    TRY(task.CopyOut(addr, name, sizeof(name)));
    return int64_t{0};
  }
  char name[16] = {};
  const size_t n = task.CopyInPartial(addr, name, 15);
  if (n < 15 && std::find(name, name + n, '\0') == name + n) return Errno(EFAULT);
  task.set_name(name);
  return int64_t{0};
}

SyscallResult PrctlDeathSignal(Task& task, int option, uint64_t arg) {
  if (option == PR_GET_PDEATHSIG) {
    TRY(task.CopyOutObject<int32_t>(arg, task.pdeath_signal));
    return int64_t{0};
  }
  if (arg > static_cast<uint64_t>(kMaxSignal)) return Errno(EINVAL);
  task.pdeath_signal = static_cast<int>(arg);
  return int64_t{0};
}

SyscallResult PrctlSubreaper(Task& task, int option, uint64_t arg) {
  bool value;
  {
    MutexLock l(task.kernel().task_set_mu());
    if (option == PR_SET_CHILD_SUBREAPER) task.thread_group().child_subreaper = arg != 0;
    value = task.thread_group().child_subreaper;
  }
  if (option == PR_GET_CHILD_SUBREAPER) TRY(task.CopyOutObject<int32_t>(arg, value));
  return int64_t{0};
}

SyscallResult PrctlDumpable(Task& task, int option, uint64_t arg) {
  if (option == PR_SET_DUMPABLE && arg > 1) return Errno(EINVAL);
  MutexLock l(task.kernel().task_set_mu());
  if (option == PR_GET_DUMPABLE) return int64_t{task.thread_group().dumpable};
  task.thread_group().dumpable = arg == 1;
  return int64_t{0};
}

SyscallResult PrctlNoNewPrivs(Task& task, int option, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5) {
  if (option == PR_GET_NO_NEW_PRIVS) {
    if (a2 || a3 || a4 || a5) return Errno(EINVAL);
    return int64_t{task.creds()->no_new_privs};
  }
  if (a2 != 1 || a3 || a4 || a5) return Errno(EINVAL);
  auto creds = task.creds()->Copy();
  creds->no_new_privs = true;
  task.SetCreds(std::move(creds));
  return int64_t{0};
}

SyscallResult PrctlTimerSlack(Task& task, int option, uint64_t arg) {
  if (option == PR_GET_TIMERSLACK) return static_cast<int64_t>(task.timer_slack_ns.load());
  task.timer_slack_ns = arg == 0 ? task.default_timer_slack_ns : arg;
  return int64_t{0};
}

}  // namespace

// fork(2)
SyscallResult SysFork(Task& task) { return ForkLike(task, 0); }

// vfork(2)
SyscallResult SysVfork(Task& task) { return ForkLike(task, CLONE_VM | CLONE_VFORK); }

// clone(2), x86-64 argument order
SyscallResult SysClone(Task& task, uint64_t flags, GuestAddr stack, GuestAddr parent_tid, GuestAddr child_tid,
                       GuestAddr tls) {
  Task::CloneArgs args;
  args.flags = (flags & 0xffffffff) & ~uint64_t{CSIGNAL};
  args.exit_signal = static_cast<int>(flags & CSIGNAL);
  args.stack = stack;
  args.parent_tid = parent_tid;
  args.child_tid = child_tid;
  args.tls = tls;
  args.pidfd = parent_tid;
  if ((flags & CLONE_PIDFD) && (flags & CLONE_PARENT_SETTID)) return Errno(EINVAL);
  return CloneWithPidfd(task, args);
}

// clone3(2)
SyscallResult SysClone3(Task& task, GuestAddr addr, uint64_t size) {
  const Clone3Args in = TRY(CopyInClone3(task, addr, size));
  if (in.flags & (CSIGNAL | CLONE_DETACHED)) return Errno(EINVAL);
  if ((in.stack == 0) != (in.stack_size == 0)) return Errno(EINVAL);
  if (in.exit_signal > static_cast<uint64_t>(kMaxSignal)) return Errno(EINVAL);
  if ((in.flags & (CLONE_THREAD | CLONE_PARENT)) && in.exit_signal != 0) return Errno(EINVAL);
  Task::CloneArgs args;
  args.flags = in.flags;
  args.exit_signal = static_cast<int>(in.exit_signal);
  args.stack = in.stack == 0 ? 0 : in.stack + in.stack_size;
  args.parent_tid = in.parent_tid;
  args.child_tid = in.child_tid;
  args.tls = in.tls;
  args.pidfd = in.pidfd;
  args.set_tid = TRY(CopyInSetTid(task, in));
  return CloneWithPidfd(task, args);
}

// execve(2)
SyscallResult SysExecve(Task& task, GuestAddr path, GuestAddr argv, GuestAddr envp) {
  std::string name = TRY(task.CopyInPath(path));
  return DoExec(task, task.fs().cwd(), std::move(name), argv, envp, 0);
}

// execveat(2)
SyscallResult SysExecveat(Task& task, int dir_fd, GuestAddr path, GuestAddr argv, GuestAddr envp, int flags) {
  if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) return Errno(EINVAL);
  std::string name = TRY(task.CopyInPath(path));
  const RefPtr<File> unnamed = TRY(UnnamedFile(task, dir_fd, name, flags));
  const Path start = unnamed ? TRY(MagicPathOf(*unnamed)) : TRY(StartOf(task, dir_fd, name));
  return DoExec(task, start, std::move(name), argv, envp, flags);
}

// exit(2)
SyscallResult SysExit(Task& task, int status) {
  task.Exit(status);
  return int64_t{0};
}

// exit_group(2)
SyscallResult SysExitGroup(Task& task, int status) {
  task.ExitGroup((status & 0xff) << 8);
  return int64_t{0};
}

// wait4(2)
SyscallResult SysWait4(Task& task, int pid, GuestAddr status_addr, int options, GuestAddr usage_addr) {
  if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | static_cast<int>(__WCLONE) | __WALL)) {
    return Errno(EINVAL);
  }
  if (pid == INT32_MIN) return Errno(ESRCH);
  WaitQuery query;
  query.options = options | WEXITED;
  if (pid > 0) {
    query.which = P_PID;
    query.id = PidFromGuest(task, pid);
  } else if (pid != -1) {
    query.which = P_PGID;
    query.id = pid == 0 ? TRY(GetProcessGroup(task, 0)) : PidFromGuest(task, -pid);
  }
  const WaitOutcome outcome = TRY(WaitForChild(task, query));
  if (outcome.pid == 0) return int64_t{0};
  if (status_addr != 0) TRY(task.CopyOutObject<int32_t>(status_addr, outcome.wait_status));
  TRY(CopyOutRusage(task, usage_addr, outcome.usage));
  return outcome.guest_pid;
}

// waitid(2)
SyscallResult SysWaitid(Task& task, int which, int id, GuestAddr info_addr, int options, GuestAddr usage_addr) {
  constexpr int kKnown =
      WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | static_cast<int>(__WCLONE) | __WALL;
  if ((options & ~kKnown) || !(options & (WEXITED | WSTOPPED | WCONTINUED))) return Errno(EINVAL);
  WaitQuery query;
  query.options = options;
  query.which = static_cast<idtype_t>(which);
  RefPtr<File> pidfd;
  if (which == P_PGID) {
    if (id < 0) return Errno(EINVAL);
    query.id = id == 0 ? TRY(GetProcessGroup(task, 0)) : PidFromGuest(task, id);
  } else if (which == P_PID) {
    if (id <= 0) return Errno(EINVAL);
    query.id = PidFromGuest(task, id);
  } else if (which == P_PIDFD) {
    if (id < 0) return Errno(EINVAL);
    pidfd = TRY(task.fds().Get(id));
    PidFile* file = FileAs<PidFile>(*pidfd);
    if (file == nullptr) return Errno(EBADF);
    query.process = &file->process();
    if (file->nonblocking()) query.options |= WNOHANG;
  } else if (which != P_ALL) {
    return Errno(EINVAL);
  }
  const WaitOutcome outcome = TRY(WaitForChild(task, query));
  if (outcome.pid == 0 && !(options & WNOHANG) && (query.options & WNOHANG)) return Errno(EAGAIN);
  siginfo_t info{};
  if (outcome.pid != 0) {
    info.si_signo = SIGCHLD;
    info.si_code = outcome.code;
    info.si_pid = outcome.guest_pid;
    info.si_uid = UidToGuest(task.creds()->user_ns.get(), outcome.uid);
    info.si_status = outcome.code == CLD_EXITED      ? WEXITSTATUS(outcome.wait_status)
                     : outcome.code == CLD_STOPPED   ? WSTOPSIG(outcome.wait_status)
                     : outcome.code == CLD_TRAPPED   ? outcome.wait_status >> 8
                     : outcome.code == CLD_CONTINUED ? SIGCONT
                                                     : WTERMSIG(outcome.wait_status);
    TRY(CopyOutRusage(task, usage_addr, outcome.usage));
  }
  if (info_addr != 0) TRY(task.CopyOut(info_addr, &info, sizeof(info)));
  return int64_t{0};
}

// getpid(2)
SyscallResult SysGetpid(Task& task) { return PidToGuest(task, task.pid()); }

// gettid(2)
SyscallResult SysGettid(Task& task) { return PidToGuest(task, task.tid()); }

// getppid(2)
SyscallResult SysGetppid(Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  const ThreadGroup* parent = task.thread_group().parent;
  return parent == nullptr ? 0 : PidToGuestLocked(task, parent->pid());
}

// setpgid(2)
SyscallResult SysSetpgid(Task& task, int pid, int pgid) {
  TRY(SetProcessGroup(task, OwnOrPid(task, pid), pgid > 0 ? PidFromGuest(task, pgid) : pgid));
  return int64_t{0};
}

// getpgid(2)
SyscallResult SysGetpgid(Task& task, int pid) {
  return PidToGuest(task, TRY(GetProcessGroup(task, OwnOrPid(task, pid))));
}

// getpgrp(2)
SyscallResult SysGetpgrp(Task& task) { return PidToGuest(task, TRY(GetProcessGroup(task, 0))); }

// setsid(2)
SyscallResult SysSetsid(Task& task) { return PidToGuest(task, TRY(NewSession(task))); }

// getsid(2)
SyscallResult SysGetsid(Task& task, int pid) { return PidToGuest(task, TRY(GetSession(task, OwnOrPid(task, pid)))); }

// set_tid_address(2)
SyscallResult SysSetTidAddress(Task& task, GuestAddr addr) {
  task.context().SetClearChildTid(addr);
  return PidToGuest(task, task.tid());
}

namespace {

// Yama's list of whom a process lets trace it. With ptrace_scope 0 it makes no difference.
SyscallResult PrctlPtracer(Task& task, uint64_t pid) {
  if (pid == 0 || pid == PR_SET_PTRACER_ANY) return int64_t{0};
  if (pid > INT32_MAX || !task.kernel().FindTask(PidFromGuest(task, static_cast<int>(pid)))) return Errno(EINVAL);
  return int64_t{0};
}

constexpr int kGetAuxv = 0x41555856;  // PR_GET_AUXV

// As much as there is room for; the size of all of it.
SyscallResult PrctlAuxv(Task& task, GuestAddr addr, uint64_t room, uint64_t a4, uint64_t a5) {
  if (a4 || a5) return Errno(EINVAL);
  const std::string auxv = task.mm().image().auxv;
  TRY(task.CopyOut(addr, auxv.data(), std::min<uint64_t>(room, auxv.size())));
  return static_cast<int64_t>(auxv.size());
}

}  // namespace

// prctl(2)
SyscallResult SysPrctl(Task& task, int option, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5) {
  switch (option) {
    case PR_SET_NAME:
    case PR_GET_NAME:
      return PrctlName(task, option, a2);
    case PR_SET_PDEATHSIG:
    case PR_GET_PDEATHSIG:
      return PrctlDeathSignal(task, option, a2);
    case PR_SET_CHILD_SUBREAPER:
    case PR_GET_CHILD_SUBREAPER:
      return PrctlSubreaper(task, option, a2);
    case PR_SET_DUMPABLE:
    case PR_GET_DUMPABLE:
      return PrctlDumpable(task, option, a2);
    case PR_SET_NO_NEW_PRIVS:
    case PR_GET_NO_NEW_PRIVS:
      return PrctlNoNewPrivs(task, option, a2, a3, a4, a5);
    case PR_SET_PTRACER:
      return PrctlPtracer(task, a2);
    case PR_SET_TIMERSLACK:
    case PR_GET_TIMERSLACK:
      return PrctlTimerSlack(task, option, a2);
    case PR_SET_KEEPCAPS:
    case PR_GET_KEEPCAPS:
    case PR_CAPBSET_READ:
    case PR_CAPBSET_DROP:
    case PR_CAP_AMBIENT:
    case PR_SET_SECUREBITS:
    case PR_GET_SECUREBITS:
      return CapabilityPrctl(task, option, a2, a3, a4, a5);
    case PR_GET_SECCOMP:
      return int64_t{SeccompStatusOf(task).mode};
    case PR_SET_SECCOMP:
      return SeccompPrctl(task, a2, a3);
    case PR_GET_TIMING:
      return int64_t{0};
    case PR_SET_TIMING:
      return a2 == PR_TIMING_STATISTICAL ? SyscallResult(0) : Errno(EINVAL);
    case kGetAuxv:
      return PrctlAuxv(task, a2, a3, a4, a5);
    default:
      return Errno(EINVAL);
  }
}

}  // namespace runsc
