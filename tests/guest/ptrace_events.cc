// ptrace(2): seizing, events, group stops, signals' details, and how waiting tells of all of it.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "tests/guest/ptrace_util.h"

using namespace guest;

namespace {

constexpr int kEventStop = 128;

int Seize(int pid, long options = 0) {
  ASSERT_OK(ptrace(PTRACE_SEIZE, pid, 0, options));
  return pid;
}

unsigned long EventMessage(int pid) {
  unsigned long message = 0;
  EXPECT_OK(ptrace(PTRACE_GETEVENTMSG, pid, 0, &message));
  return message;
}

bool NothingToReport(int pid) {
  int status;
  SleepMs(50);
  return waitpid(pid, &status, __WALL | WNOHANG) == 0;
}

}  // namespace

HELPER(Quit) { return 42; }

TEST(SeizeDoesNotStop) {
  const int pid = StartChild(SleepForever);
  Seize(pid);
  EXPECT(NothingToReport(pid));
  EXPECT_EQ(TracerOf(pid), getpid());
  ASSERT_OK(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
  EXPECT(StoppedAt(WaitFor(pid), kEventStop));
  siginfo_t info{};
  EXPECT_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
  EXPECT_EQ(info.si_code, SIGTRAP | kEventStop << 8);
  ASSERT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
  EXPECT(NothingToReport(pid));
  KillAndReap(pid);
}

TEST(InterruptOfBusyTracee) {
  const int pid = StartChild([]() -> int {
    for (;;) asm volatile("");
  });
  Seize(pid);
  for (int i = 0; i < 20; ++i) {
    ASSERT_OK(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    EXPECT(StoppedAt(WaitFor(pid), kEventStop));
    ASSERT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
  }
  KillAndReap(pid);
}

TEST(InterruptNeedsSeize) {
  const int pid = StartTracee([] { return 0; });
  EXPECT_ERRNO(ptrace(PTRACE_INTERRUPT, pid, 0, 0), EIO);
  EXPECT_ERRNO(ptrace(PTRACE_LISTEN, pid, 0, 0), EIO);
  KillAndReap(pid);
}

TEST(GroupStopOfSeized) {
  const int pid = StartChild(SleepForever);
  Seize(pid);
  kill(pid, SIGTSTP);
  EXPECT(StoppedBy(WaitFor(pid), SIGTSTP));                                         // the signal
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid, SIGTSTP), SIGTSTP | kEventStop << 8));  // the stop
  ASSERT_OK(ptrace(PTRACE_LISTEN, pid, 0, 0));
  EXPECT(NothingToReport(pid));
  EXPECT_ERRNO(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
  kill(pid, SIGCONT);
  EXPECT(StoppedAt(WaitFor(pid), kEventStop));
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGCONT));
  ASSERT_OK(ptrace(PTRACE_CONT, pid, 0, SIGCONT));
  KillAndReap(pid);
}

TEST(InterruptWhileListening) {
  const int pid = StartChild(SleepForever);
  Seize(pid);
  kill(pid, SIGSTOP);
  EXPECT(StoppedBy(WaitFor(pid), SIGSTOP));
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid, SIGSTOP), SIGSTOP | kEventStop << 8));
  ASSERT_OK(ptrace(PTRACE_LISTEN, pid, 0, 0));
  ASSERT_OK(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
  EXPECT(StoppedBy(WaitFor(pid), SIGSTOP | kEventStop << 8));
  KillAndReap(pid);
}

TEST(SeizeOfStopped) {
  const int pid = StartChild(SleepForever);
  kill(pid, SIGSTOP);
  int status;
  ASSERT_OK(waitpid(pid, &status, WUNTRACED));
  Seize(pid);
  EXPECT(StoppedBy(WaitFor(pid), SIGSTOP | kEventStop << 8));
  KillAndReap(pid);
}

TEST(AttachToStopped) {
  const int pid = StartChild(SleepForever);
  kill(pid, SIGSTOP);
  int status;
  ASSERT_OK(waitpid(pid, &status, WUNTRACED));
  ASSERT_OK(ptrace(PTRACE_ATTACH, pid, 0, 0));
  EXPECT(StoppedBy(WaitFor(pid), SIGSTOP));
  user_regs_struct regs;
  EXPECT_OK(ptrace(PTRACE_GETREGS, pid, 0, &regs));
  KillAndReap(pid);
}

TEST(GroupStopOfAttached) {
  const int pid = StartTracee([] {
    raise(SIGTSTP);
    return 5;
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGTSTP));
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid, SIGTSTP), SIGTSTP));
  siginfo_t info;
  EXPECT_ERRNO(ptrace(PTRACE_GETSIGINFO, pid, 0, &info), EINVAL);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 5));
}

TEST(DetachLeavesGroupStopped) {
  const int pid = StartChild(SleepForever);
  Seize(pid);
  kill(pid, SIGSTOP);
  EXPECT(StoppedBy(WaitFor(pid), SIGSTOP));
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid, SIGSTOP), SIGSTOP | kEventStop << 8));
  ASSERT_OK(ptrace(PTRACE_DETACH, pid, 0, 0));
  EXPECT(Eventually([&] { return StateOf(pid) == 'T'; }));
  kill(pid, SIGCONT);
  EXPECT(FallsAsleep(pid));
  KillAndReap(pid);
}

TEST(OptionsAreChecked) {
  const int pid = StartTracee([] { return 0; });
  EXPECT_ERRNO(ptrace(PTRACE_SETOPTIONS, pid, 0, 0x40000000), EINVAL);
  EXPECT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL));
  KillAndReap(pid);
}

TEST(ForkEvent) {
  const int pid = StartTracee([] {
    const int child = fork();
    if (child == 0) _exit(3);
    int status;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  });
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK));
  EXPECT(StoppedAt(Resume(PTRACE_CONT, pid), PTRACE_EVENT_FORK));
  const int child = static_cast<int>(EventMessage(pid));
  EXPECT(child > 0);
  EXPECT(StoppedBy(WaitFor(child), SIGSTOP));
  EXPECT_EQ(TracerOf(child), getpid());
  ASSERT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
  EXPECT(Exited(Resume(PTRACE_CONT, child), 3));
  EXPECT(StoppedBy(WaitFor(pid), SIGCHLD));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 3));
}

TEST(ForkEventOfSeized) {
  int go[2];
  ASSERT_OK(pipe(go));
  const int pid = StartChild([&] {
    char byte;
    if (read(go[0], &byte, 1) != 1) return 9;
    const int child = fork();
    if (child == 0) _exit(3);
    int status;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  });
  Seize(pid, PTRACE_O_TRACEFORK);
  EXPECT_EQ(write(go[1], "x", 1), 1);
  EXPECT(StoppedAt(WaitFor(pid), PTRACE_EVENT_FORK));
  const int child = static_cast<int>(EventMessage(pid));
  EXPECT(StoppedAt(WaitFor(child), kEventStop));
  ASSERT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
  EXPECT(Exited(Resume(PTRACE_CONT, child), 3));
  EXPECT(StoppedBy(WaitFor(pid), SIGCHLD));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 3));
}

TEST(VforkEvents) {
  const int pid = StartTracee([] {
    const int child = vfork();
    if (child == 0) _exit(3);
    int status;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  });
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE));
  EXPECT(StoppedAt(Resume(PTRACE_CONT, pid), PTRACE_EVENT_VFORK));
  const int child = static_cast<int>(EventMessage(pid));
  EXPECT(StoppedBy(WaitFor(child), SIGSTOP));
  ASSERT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
  EXPECT(Exited(Resume(PTRACE_CONT, child), 3));
  const int status = WaitFor(pid);
  EXPECT(StoppedAt(status, PTRACE_EVENT_VFORK_DONE));
  EXPECT_EQ(EventMessage(pid), static_cast<unsigned long>(child));
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGCHLD));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 3));
}

namespace {
void* Nothing(void*) { return nullptr; }
int MakeThread() {
  pthread_t thread;
  if (pthread_create(&thread, nullptr, Nothing, nullptr) != 0) return 1;
  pthread_join(thread, nullptr);
  return 4;
}
}  // namespace

TEST(CloneEvent) {
  const int pid = StartTracee(MakeThread);
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE));
  EXPECT(StoppedAt(Resume(PTRACE_CONT, pid), PTRACE_EVENT_CLONE));
  const int tid = static_cast<int>(EventMessage(pid));
  EXPECT(StoppedBy(WaitFor(tid), SIGSTOP));
  ASSERT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
  EXPECT(WIFEXITED(Resume(PTRACE_CONT, tid)));  // 0, or the process' code when that was quicker
  EXPECT(Exited(WaitFor(pid), 4));
}

TEST(ExecEvent) {
  const int pid = StartTracee([] { return execl(SelfPath(), SelfPath(), "--helper", "Quit", nullptr); });
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC));
  EXPECT(StoppedAt(Resume(PTRACE_CONT, pid), PTRACE_EVENT_EXEC));
  EXPECT_EQ(EventMessage(pid), static_cast<unsigned long>(pid));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 42));
}

// A thread that execs takes the leader's number; the event tells its old one.
TEST(ExecOfAThread) {
  const int pid = StartTracee([] {
    pthread_t thread;
    pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
          execl(SelfPath(), SelfPath(), "--helper", "Quit", nullptr);
          return nullptr;
        },
        nullptr);
    return SleepForever();
  });
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC));
  EXPECT(StoppedAt(Resume(PTRACE_CONT, pid), PTRACE_EVENT_CLONE));
  const int tid = static_cast<int>(EventMessage(pid));
  EXPECT(StoppedBy(WaitFor(tid), SIGSTOP));
  ASSERT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
  ASSERT_OK(ptrace(PTRACE_CONT, tid, 0, 0));
  EXPECT(StoppedAt(WaitFor(pid), PTRACE_EVENT_EXEC));
  EXPECT_EQ(EventMessage(pid), static_cast<unsigned long>(tid));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 42));
}

TEST(ExitEvent) {
  const int pid = StartTracee([] { return 6; });
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT));
  EXPECT(StoppedAt(Resume(PTRACE_CONT, pid), PTRACE_EVENT_EXIT));
  EXPECT_EQ(EventMessage(pid), 6u << 8);
  EXPECT_EQ(Regs(pid).orig_rax, static_cast<unsigned long>(SYS_exit_group));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 6));
}

TEST(ExitEventOfFatalSignal) {
  const int pid = StartTracee(SleepForever);
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT));
  ASSERT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
  ASSERT_OK(kill(pid, SIGTERM));
  EXPECT(StoppedBy(WaitFor(pid), SIGTERM));
  EXPECT(StoppedAt(Resume(PTRACE_CONT, pid, SIGTERM), PTRACE_EVENT_EXIT));
  EXPECT_EQ(EventMessage(pid), static_cast<unsigned long>(SIGTERM));
  EXPECT(KilledBy(Resume(PTRACE_CONT, pid), SIGTERM));
}

namespace {
// Asks the tracer about getppid.
bool TraceGetppid() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 77),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{4, code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
}  // namespace

TEST(SeccompEvent) {
  const int pid = StartTracee([] {
    if (!TraceGetppid()) return 9;
    return syscall(SYS_getppid) == getpid() ? 0 : 1;
  });
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD));
  EXPECT(StoppedAt(Resume(PTRACE_CONT, pid), PTRACE_EVENT_SECCOMP));
  EXPECT_EQ(EventMessage(pid), 77u);
  __ptrace_syscall_info info{};
  EXPECT(ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), pid, sizeof(info), &info) > 0);
  EXPECT_EQ(info.op, PTRACE_SYSCALL_INFO_SECCOMP);
  EXPECT_EQ(info.seccomp.nr, static_cast<uint64_t>(SYS_getppid));
  EXPECT_EQ(info.seccomp.ret_data, 77u);
  ASSERT_OK(ptrace(PTRACE_POKEUSER, pid, offsetof(user, regs.orig_rax), SYS_getpid));
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

TEST(SeccompWithoutTracer) {
  const int pid = StartTracee([] {
    if (!TraceGetppid()) return 9;
    return syscall(SYS_getppid) == -1 && errno == ENOSYS ? 0 : 1;
  });
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));  // the option is not set
}

TEST(SignalInfo) {
  const int pid = StartTracee([] {
    union sigval value;
    value.sival_int = 99;
    sigqueue(getpid(), SIGUSR1, value);
    return 0;
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGUSR1));
  siginfo_t info{};
  EXPECT_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
  EXPECT_EQ(info.si_signo, SIGUSR1);
  EXPECT_EQ(info.si_code, SI_QUEUE);
  EXPECT_EQ(info.si_pid, pid);
  EXPECT_EQ(info.si_value.sival_int, 99);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

TEST(SetSignalInfo) {
  static volatile int got = 0;
  const int pid = StartTracee([] {
    struct sigaction action {};
    action.sa_sigaction = [](int, siginfo_t* info, void*) { got = info->si_value.sival_int; };
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR1, &action, nullptr);
    raise(SIGUSR1);
    return got;
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGUSR1));
  siginfo_t info{};
  EXPECT_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
  info.si_code = SI_QUEUE;
  info.si_value.sival_int = 44;
  EXPECT_OK(ptrace(PTRACE_SETSIGINFO, pid, 0, &info));
  EXPECT(Exited(Resume(PTRACE_CONT, pid, SIGUSR1), 44));
}

TEST(PeekSignalInfo) {
  const int pid = StartTracee([] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    union sigval value;
    for (int i = 0; i < 3; ++i) {
      value.sival_int = 10 + i;
      sigqueue(getpid(), SIGRTMIN, value);
    }
    raise(SIGUSR1);
    return 0;
  });
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGUSR1));
  __ptrace_peeksiginfo_args args{1, PTRACE_PEEKSIGINFO_SHARED, 5};
  siginfo_t infos[5] = {};
  EXPECT_EQ(ptrace(PTRACE_PEEKSIGINFO, pid, &args, infos), 2);
  EXPECT_EQ(infos[0].si_value.sival_int, 11);
  EXPECT_EQ(infos[1].si_value.sival_int, 12);
  args = {0, 0, 5};
  EXPECT_EQ(ptrace(PTRACE_PEEKSIGINFO, pid, &args, infos), 0);
  args = {0, 0, -1};
  EXPECT_ERRNO(ptrace(PTRACE_PEEKSIGINFO, pid, &args, infos), EINVAL);
  args = {0, 0x80, 1};
  EXPECT_ERRNO(ptrace(PTRACE_PEEKSIGINFO, pid, &args, infos), EINVAL);
  KillAndReap(pid);
}

TEST(SignalMask) {
  const int pid = StartTracee([] {
    sigset_t set;
    sigprocmask(SIG_BLOCK, nullptr, &set);
    return sigismember(&set, SIGUSR2) == 1 && sigismember(&set, SIGKILL) == 0 ? 0 : 1;
  });
  uint64_t mask = 1;
  EXPECT_OK(ptrace(static_cast<__ptrace_request>(PTRACE_GETSIGMASK), pid, 8, &mask));
  EXPECT_EQ(mask, 0u);
  mask = 1ull << (SIGUSR2 - 1) | 1ull << (SIGKILL - 1);
  EXPECT_OK(ptrace(static_cast<__ptrace_request>(PTRACE_SETSIGMASK), pid, 8, &mask));
  EXPECT_ERRNO(ptrace(static_cast<__ptrace_request>(PTRACE_GETSIGMASK), pid, 4, &mask), EINVAL);
  EXPECT(Exited(Resume(PTRACE_CONT, pid), 0));
}

TEST(KillRequest) {
  const int pid = StartTracee([] { return 0; });
  EXPECT_OK(ptrace(PTRACE_KILL, pid, 0, 0));
  EXPECT(KilledBy(WaitFor(pid), SIGKILL));
}

TEST(SigkillEndsAStop) {
  const int pid = StartTracee([] { return 0; });
  kill(pid, SIGKILL);
  EXPECT(KilledBy(WaitFor(pid), SIGKILL));
}

TEST(SigcontDoesNotEndATraceStop) {
  const int pid = StartTracee([] { return 0; });
  kill(pid, SIGCONT);
  EXPECT(NothingToReport(pid));
  EXPECT_EQ(StateOf(pid), 't');
  EXPECT(StoppedBy(Resume(PTRACE_CONT, pid), SIGCONT));
  EXPECT(Exited(Resume(PTRACE_CONT, pid, SIGCONT), 0));
}

TEST(TracerIsToldBySigchld) {
  static volatile sig_atomic_t code, status;
  struct sigaction action {};
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    code = info->si_code;
    status = info->si_status;
  };
  sigaction(SIGCHLD, &action, nullptr);
  const int pid = StartTracee([] { return 0; });
  EXPECT_EQ(code, CLD_TRAPPED);
  EXPECT_EQ(status, SIGSTOP);
  KillAndReap(pid);
}

TEST(WaitidTellsTheStop) {
  const int pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    _exit(0);
  }
  siginfo_t info{};
  EXPECT_OK(waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT));
  EXPECT_EQ(info.si_code, CLD_TRAPPED);
  EXPECT_EQ(info.si_status, SIGSTOP);
  EXPECT_OK(waitid(P_PID, pid, &info, WSTOPPED));
  EXPECT_EQ(info.si_pid, pid);
  info.si_pid = 0;
  EXPECT_OK(waitid(P_PID, pid, &info, WSTOPPED | WNOHANG));
  EXPECT_EQ(info.si_pid, 0);  // only once
  KillAndReap(pid);
}

// Another process' child: its tracer hears of its end first, then its parent.
TEST(GrandchildIsTracedToItsEnd) {
  int pids[2], go[2];
  ASSERT_OK(pipe(pids));
  ASSERT_OK(pipe(go));
  const int parent = StartChild([&] {
    const int child = StartChild([&] {
      char byte;
      return read(go[0], &byte, 1) == 1 ? 31 : 1;
    });
    if (write(pids[1], &child, sizeof(child)) != sizeof(child)) return 1;
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 2;
  });
  int child = 0;
  ASSERT(read(pids[0], &child, sizeof(child)) == sizeof(child));
  Seize(child);
  EXPECT_EQ(write(go[1], "x", 1), 1);
  siginfo_t info{};
  EXPECT_OK(waitid(P_PID, child, &info, WEXITED | WNOWAIT | __WALL));
  EXPECT(NothingToReport(parent));
  EXPECT(Exited(WaitFor(child), 31));
  EXPECT(Exited(WaitFor(parent), 31));
}

TEST(TracersDeathDetaches) {
  const int pid = StartChild(SleepForever);
  const int tracer = StartChild([&] {
    if (ptrace(PTRACE_ATTACH, pid, 0, 0) != 0) return 1;
    return waitpid(pid, nullptr, __WALL) == pid ? 0 : 2;
  });
  EXPECT(Exited(WaitFor(tracer), 0));
  EXPECT_EQ(TracerOf(pid), 0);
  EXPECT(FallsAsleep(pid));
  KillAndReap(pid);
}

// A signal the tracer had not waited for is delivered.
TEST(TracersDeathPassesTheSignalOn) {
  const int pid = StartChild(SleepForever);
  const int tracer = StartChild([&] {
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0 || kill(pid, SIGTERM) != 0) return 1;
    siginfo_t info;
    return waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT | __WALL) == 0 ? 0 : 2;
  });
  EXPECT(Exited(WaitFor(tracer), 0));
  EXPECT(KilledBy(WaitFor(pid), SIGTERM));
}

// A parent that ends while its children ask to be traced by it.
TEST(TraceMeWhileTheParentEnds) {
  for (int round = 0; round < 50; ++round) {
    const int parent = StartChild([] {
      for (int i = 0; i < 4; ++i) {
        if (fork() == 0) {
          ptrace(PTRACE_TRACEME, 0, 0, 0);
          _exit(0);
        }
      }
      return 0;
    });
    EXPECT(Exited(WaitFor(parent), 0));
  }
}

TEST(TracersDeathMayKill) {
  const int pid = StartChild(SleepForever);
  const int tracer = StartChild([&] { return ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL) == 0 ? 0 : 1; });
  EXPECT(Exited(WaitFor(tracer), 0));
  EXPECT(KilledBy(WaitFor(pid), SIGKILL));
}

// The tracer is a thread, not a process.
TEST(OtherThreadsAreNotTheTracer) {
  static int pid;
  pid = StartTracee([] { return 0; });
  pthread_t thread;
  static long result, error;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        user_regs_struct regs;
        result = ptrace(PTRACE_GETREGS, pid, 0, &regs);
        error = errno;
        return nullptr;
      },
      nullptr);
  pthread_join(thread, nullptr);
  EXPECT_EQ(result, -1);
  EXPECT_EQ(error, ESRCH);
  EXPECT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
  EXPECT(Exited(WaitFor(pid), 0));
}

TEST(SetuidProgramGainsNothing) {
  const int status = RunInChild([] {
    // A copy of ourselves, set-user-ID root, run by nobody under a tracer without rights.
    const std::string dir = TempDir();
    const std::string copy = dir + "/suid";
    const std::string bytes = ReadAll(SelfPath());
    const int fd = open(copy.c_str(), O_CREAT | O_WRONLY, 0755);
    if (write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return 7;
    close(fd);
    if (chmod(dir.c_str(), 0755) != 0 || chmod(copy.c_str(), 04755) != 0) return 8;
    if (setgid(12345) != 0 || setuid(12345) != 0) return 9;
    const int pid = fork();
    if (pid == 0) {
      ptrace(PTRACE_TRACEME, 0, 0, 0);
      execl(copy.c_str(), copy.c_str(), "--helper", "ShowUid", nullptr);
      _exit(99);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) return 10;
    ptrace(PTRACE_CONT, pid, 0, 0);
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return 11;
    return WEXITSTATUS(status);
  });
  EXPECT(Exited(status, 0));
}

HELPER(ShowUid) { return geteuid() == 12345 ? 0 : 1; }

// Threads: each is traced for itself, and the process ends when the last was waited for.
TEST(ThreadsOfATracedProcess) {
  int go[2];
  ASSERT_OK(pipe(go));
  static int tids[2], from;
  ASSERT_OK(pipe(tids));
  from = go[0];
  const int pid = StartChild([&] {
    pthread_t thread;
    pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
          const int tid = gettid();
          char byte;
          if (write(tids[1], &tid, sizeof(tid)) != sizeof(tid) || read(from, &byte, 1) != 1) _exit(1);
          return nullptr;
        },
        nullptr);
    pthread_join(thread, nullptr);
    return 8;
  });
  int tid = 0;
  ASSERT(read(tids[0], &tid, sizeof(tid)) == sizeof(tid));
  Seize(pid);
  Seize(tid);
  ASSERT_OK(ptrace(PTRACE_INTERRUPT, tid, 0, 0));
  EXPECT(StoppedAt(WaitFor(tid), kEventStop));
  EXPECT(NothingToReport(pid));
  ASSERT_OK(ptrace(PTRACE_CONT, tid, 0, 0));
  EXPECT_EQ(write(go[1], "x", 1), 1);
  EXPECT(WIFEXITED(WaitFor(tid)));  // 0, or the process' code when that was quicker
  EXPECT(Exited(WaitFor(pid), 8));
}
