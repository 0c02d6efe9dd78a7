// Guest seccomp filters: every action, threads, notification, what is refused.

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

using Program = std::vector<sock_filter>;

sock_filter Load(uint32_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset); }
sock_filter Return(uint32_t value) { return BPF_STMT(BPF_RET | BPF_K, value); }

// `action` for one call, everything else is allowed.
Program ForCall(long number, uint32_t action) {
  return {Load(offsetof(seccomp_data, nr)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1),
          Return(action), Return(SECCOMP_RET_ALLOW)};
}

long Seccomp(unsigned operation, unsigned flags, void* arg) { return syscall(SYS_seccomp, operation, flags, arg); }

long Install(Program program, unsigned flags = 0) {
  sock_fprog fprog{static_cast<unsigned short>(program.size()), program.data()};
  return Seccomp(SECCOMP_SET_MODE_FILTER, flags, &fprog);
}

void NoNewPrivs() { ASSERT_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }

}  // namespace

TEST(ErrnoAction) {
  NoNewPrivs();
  ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)));
  EXPECT_ERRNO(syscall(SYS_getppid), EDOM);
  EXPECT_EQ(syscall(SYS_getpid), getpid());
  EXPECT_EQ(prctl(PR_GET_SECCOMP), 2);
}

TEST(ErrnoIsBounded) {
  NoNewPrivs();
  ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_ERRNO | 0xffff)));
  errno = 0;
  EXPECT_EQ(syscall(SYS_getppid), -1);
  EXPECT_EQ(errno, 4095);
  ASSERT_OK(Install(ForCall(SYS_getuid, SECCOMP_RET_ERRNO)));
  EXPECT_EQ(syscall(SYS_getuid), 0);
}

// The calls that an engine may answer by itself.
TEST(SeesEveryCall) {
  NoNewPrivs();
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (const long call : {SYS_getpid, SYS_gettid, SYS_getuid, SYS_sched_yield, SYS_mprotect, SYS_madvise}) {
    ASSERT_OK(Install(ForCall(call, SECCOMP_RET_ERRNO | EXDEV)));
    EXPECT_ERRNO(syscall(call, page, 4096, PROT_READ), EXDEV);
  }
  *static_cast<volatile char*>(page) = 1;
}

TEST(MemoryAndFutexStillWork) {
  NoNewPrivs();
  ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)));
  std::atomic<int> sum = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) threads.emplace_back([&sum, i] { sum += i; });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(sum.load(), 6);
  char* area = static_cast<char*>(mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT(area != MAP_FAILED);
  area[5000] = 'x';
  EXPECT_OK(mprotect(area, 4096, PROT_NONE));
  EXPECT_OK(munmap(area, 1 << 20));
  EXPECT_EQ(RunInChild([] { return syscall(SYS_getppid) == -1 && errno == EDOM ? 0 : 1; }), 0);
}

TEST(IsInheritedAcrossExec) {
  const int status = RunInChild([] {
    NoNewPrivs();
    if (Install(ForCall(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)) != 0) return 9;
    execl(SelfPath(), "x", "--helper", "GetppidFails", nullptr);
    return 8;
  });
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

HELPER(GetppidFails) { return syscall(SYS_getppid) == -1 && errno == EDOM ? 0 : 1; }

TEST(KillProcess) {
  const int status = RunInChild([] {
    NoNewPrivs();
    Install(ForCall(SYS_getppid, SECCOMP_RET_KILL_PROCESS));
    std::thread thread([] { syscall(SYS_getppid); });
    for (;;) pause();
    return 0;
  });
  EXPECT(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

TEST(KillThreadEndsOneThread) {
  const int status = RunInChild([] {
    NoNewPrivs();
    Install(ForCall(SYS_getppid, SECCOMP_RET_KILL_THREAD));
    pthread_t thread;
    pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
          syscall(SYS_getppid);
          _exit(7);
        },
        nullptr);
    pthread_join(thread, nullptr);
    return 5;
  });
  EXPECT_EQ(WEXITSTATUS(status), 5);
}

TEST(KillThreadOfTheOnlyOne) {
  const int status = RunInChild([] {
    NoNewPrivs();
    Install(ForCall(SYS_getppid, SECCOMP_RET_KILL_THREAD));
    syscall(SYS_getppid);
    return 5;
  });
  EXPECT(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

TEST(TrapAction) {
  static siginfo_t seen;
  struct sigaction action {};
  action.sa_flags = SA_SIGINFO;
  action.sa_sigaction = [](int, siginfo_t* info, void* context) {
    seen = *info;
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = 1234;
  };
  sigaction(SIGSYS, &action, nullptr);
  NoNewPrivs();
  ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_TRAP | 77)));
  EXPECT_EQ(syscall(SYS_getppid), 1234);
  EXPECT_EQ(seen.si_signo, SIGSYS);
  EXPECT_EQ(seen.si_code, 1);
  EXPECT_EQ(seen.si_errno, 77);
  EXPECT_EQ(seen.si_syscall, (int)SYS_getppid);
  EXPECT_EQ(seen.si_arch, AUDIT_ARCH_X86_64);
  EXPECT(seen.si_call_addr != nullptr);
}

TEST(TraceWithoutTracerIsEnosys) {
  NoNewPrivs();
  ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_TRACE)));
  EXPECT_ERRNO(syscall(SYS_getppid), ENOSYS);
}

TEST(LogAllows) {
  NoNewPrivs();
  ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_LOG)));
  EXPECT(syscall(SYS_getppid) > 0);
}

TEST(TheMostSevereCounts) {
  NoNewPrivs();
  ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)));
  ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_LOG)));
  EXPECT_ERRNO(syscall(SYS_getppid), EDOM);
  ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV)));
  EXPECT_ERRNO(syscall(SYS_getppid), EXDEV);  // the newest of equals
}

TEST(LooksAtArguments) {
  NoNewPrivs();
  ASSERT_OK(Install({Load(offsetof(seccomp_data, nr)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup, 0, 3),
                     Load(offsetof(seccomp_data, args)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 777, 0, 1),
                     Return(SECCOMP_RET_ERRNO | ELOOP), Return(SECCOMP_RET_ALLOW)}));
  EXPECT_ERRNO(dup(777), ELOOP);
  EXPECT_ERRNO(dup(778), EBADF);
}

TEST(StrictMode) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    if (write(fds[1], "x", 1) != 1) syscall(SYS_exit, 1);
    syscall(SYS_exit, 4);
  }
  EXPECT_EQ(WEXITSTATUS(WaitStatus(child)), 4);
  const int status = RunInChild([] {
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    syscall(SYS_getpid);
    return 0;
  });
  EXPECT(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

TEST(BadProgramsAreRefused) {
  NoNewPrivs();
  EXPECT_ERRNO(Install({}), EINVAL);
  EXPECT_ERRNO(Install({Load(0)}), EINVAL);
  EXPECT_ERRNO(Install({Load(2), Return(SECCOMP_RET_ALLOW)}), EINVAL);
  EXPECT_ERRNO(Install({Load(64), Return(SECCOMP_RET_ALLOW)}), EINVAL);
  EXPECT_ERRNO(Install({BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), Return(SECCOMP_RET_ALLOW)}), EINVAL);
  EXPECT_ERRNO(Install({BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0), Return(SECCOMP_RET_ALLOW)}), EINVAL);
  EXPECT_ERRNO(Install({BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), Return(SECCOMP_RET_ALLOW)}), EINVAL);
  EXPECT_ERRNO(Install({BPF_STMT(BPF_LD | BPF_MEM, 3), Return(SECCOMP_RET_ALLOW)}), EINVAL);
  EXPECT_ERRNO(Install({BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), Return(SECCOMP_RET_ALLOW)}), EINVAL);
  EXPECT_ERRNO(Install({BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), Return(SECCOMP_RET_ALLOW)}), EINVAL);
  EXPECT_ERRNO(Install(Program(4097, Return(SECCOMP_RET_ALLOW))), EINVAL);
  EXPECT_ERRNO(Install(ForCall(0, 0), 0x8000), EINVAL);
  sock_fprog nowhere{1, reinterpret_cast<sock_filter*>(8)};
  EXPECT_ERRNO(Seccomp(SECCOMP_SET_MODE_FILTER, 0, &nowhere), EFAULT);
  EXPECT_ERRNO(Seccomp(99, 0, nullptr), EINVAL);
  EXPECT_EQ(prctl(PR_GET_SECCOMP), 0);
}

TEST(PathLengthIsBounded) {
  NoNewPrivs();
  const Program longest(4096, Return(SECCOMP_RET_ALLOW));
  long result = 0;
  int installed = 0;
  while (installed < 20 && (result = Install(longest)) == 0) installed++;
  EXPECT_ERRNO(result, ENOMEM);
  EXPECT(installed >= 3 && installed <= 7);  // Linux counts what it translates them to
}

TEST(ActionsAvailable) {
  for (uint32_t action : {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO,
                          SECCOMP_RET_USER_NOTIF, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW}) {
    EXPECT_OK(Seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action));
  }
  uint32_t unknown = 0x12340000;
  EXPECT_ERRNO(Seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &unknown), EOPNOTSUPP);
}

TEST(TsyncReachesAllThreads) {
  NoNewPrivs();
  std::atomic<int> stage = 0;
  long result = 0;
  int error = 0;
  std::thread thread([&] {
    stage = 1;
    while (stage != 2) usleep(1000);
    errno = 0;
    result = syscall(SYS_getppid);
    error = errno;
  });
  while (stage != 1) usleep(1000);
  ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_ERRNO | EDOM), SECCOMP_FILTER_FLAG_TSYNC));
  stage = 2;
  thread.join();
  EXPECT_EQ(result, -1);
  EXPECT_EQ(error, EDOM);
}

TEST(StatusShowsTheMode) {
  NoNewPrivs();
  ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)));
  const std::string status = ReadAll("/proc/self/status");
  EXPECT(status.find("Seccomp:\t2\n") != std::string::npos);
  EXPECT(status.find("Seccomp_filters:\t1\n") != std::string::npos);
}

TEST(SupervisorAnswers) {
  NoNewPrivs();
  const int listener = static_cast<int>(
      ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_USER_NOTIF), SECCOMP_FILTER_FLAG_NEW_LISTENER)));
  EXPECT_EQ(fcntl(listener, F_GETFD), FD_CLOEXEC);
  const pid_t child = fork();
  if (child == 0) {
    if (syscall(SYS_getppid) != 4711) _exit(1);
    if (syscall(SYS_getppid) != -1 || errno != EXDEV) _exit(2);
    if (syscall(SYS_getppid) <= 0) _exit(3);
    _exit(0);
  }
  for (int round = 0; round < 3; round++) {
    pollfd p{listener, POLLIN, 0};
    ASSERT(poll(&p, 1, 10000) == 1 && (p.revents & POLLIN));
    seccomp_notif request{};
    ASSERT_OK(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request));
    EXPECT_EQ((pid_t)request.pid, child);
    EXPECT_EQ(request.data.nr, (int)SYS_getppid);
    EXPECT_OK(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &request.id));
    seccomp_notif_resp answer{};
    answer.id = request.id;
    if (round == 0) answer.val = 4711;
    if (round == 1) answer.error = -EXDEV;
    if (round == 2) answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    EXPECT_OK(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer));
    // Answered, or forgotten once the caller woke up.
    EXPECT_EQ(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer), -1);
    EXPECT(errno == ENOENT || errno == EINPROGRESS);
  }
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(SupervisorGivesADescriptor) {
  NoNewPrivs();
  const int listener = static_cast<int>(
      ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_USER_NOTIF), SECCOMP_FILTER_FLAG_NEW_LISTENER)));
  int fds[2];
  ASSERT_OK(pipe(fds));
  const pid_t child = fork();
  if (child == 0) {
    const int fd = static_cast<int>(syscall(SYS_getppid));
    _exit(write(fd, "given", 5) == 5 ? 0 : 1);
  }
  seccomp_notif request{};
  ASSERT_OK(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request));
  seccomp_notif_addfd addfd{};
  addfd.id = request.id;
  addfd.srcfd = static_cast<uint32_t>(fds[1]);
  const int number = EXPECT_OK(ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd));
  seccomp_notif_resp answer{};
  answer.id = request.id;
  answer.val = number;
  EXPECT_OK(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer));
  EXPECT_EQ(WaitStatus(child), 0);
  char text[6] = {};
  EXPECT_EQ(read(fds[0], text, 5), 5);
  EXPECT_EQ(std::string(text), "given");
}

// A signal that comes while the supervisor works: whether the call is given up depends on what was asked for.
TEST(ASupervisorMayBeWaitedForThroughSignals) {
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
  NoNewPrivs();
  EXPECT_ERRNO(Install(ForCall(SYS_getppid, SECCOMP_RET_ALLOW), SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV), EINVAL);
  for (const bool patient : {true, false}) {
    int ready[2];
    ASSERT_OK(pipe(ready));
    EXPECT_EQ(RunInChild([&] {
                const unsigned flags =
                    SECCOMP_FILTER_FLAG_NEW_LISTENER | (patient ? SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0);
                const int listener = static_cast<int>(Install(ForCall(SYS_getppid, SECCOMP_RET_USER_NOTIF), flags));
                if (listener < 0) return 1;
                const pid_t child = fork();
                if (child == 0) {
                  static int caught;
                  struct sigaction action = {};
                  action.sa_handler = [](int) { ++caught; };
                  sigaction(SIGUSR1, &action, nullptr);
                  const long result = syscall(SYS_getppid);
                  if (caught != 1) _exit(2);
                  _exit(patient ? (result == 4711 ? 0 : 3) : (result == -1 && errno == EINTR ? 0 : 4));
                }
                seccomp_notif request{};
                if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) return 5;
                kill(child, SIGUSR1);
                const auto valid = [&] { return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &request.id) == 0; };
                if (patient) SleepMs(50);
                if (patient ? !valid() : !Eventually([&] { return !valid(); })) return 6;
                seccomp_notif_resp answer{};
                answer.id = request.id;
                answer.val = 4711;
                if ((ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0) != patient) return 7;
                return WaitStatus(child) == 0 ? 0 : 8;
              }),
              0);
  }
}

TEST(APatientCallerIsKilledAllTheSame) {
  NoNewPrivs();
  const unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  const int listener = static_cast<int>(ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_USER_NOTIF), flags)));
  const pid_t child = fork();
  if (child == 0) _exit(static_cast<int>(syscall(SYS_getppid)));
  seccomp_notif request{};
  ASSERT_OK(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request));
  ASSERT_OK(kill(child, SIGKILL));
  const int status = WaitStatus(child);
  EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(WithoutSupervisorItIsEnosys) {
  NoNewPrivs();
  const int listener = static_cast<int>(
      ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_USER_NOTIF), SECCOMP_FILTER_FLAG_NEW_LISTENER)));
  close(listener);
  EXPECT_ERRNO(syscall(SYS_getppid), ENOSYS);
}

TEST(AKilledCallerIsForgotten) {
  NoNewPrivs();
  const int listener = static_cast<int>(
      ASSERT_OK(Install(ForCall(SYS_getppid, SECCOMP_RET_USER_NOTIF), SECCOMP_FILTER_FLAG_NEW_LISTENER)));
  const pid_t child = fork();
  if (child == 0) {
    syscall(SYS_getppid);
    _exit(0);
  }
  seccomp_notif request{};
  ASSERT_OK(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request));
  kill(child, SIGKILL);
  WaitStatus(child);
  EXPECT_ERRNO(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &request.id), ENOENT);
  seccomp_notif_resp answer{};
  answer.id = request.id;
  EXPECT_ERRNO(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer), ENOENT);
}
