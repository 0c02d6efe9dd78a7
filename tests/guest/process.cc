// fork, vfork, clone, exit and wait.

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

TEST(ForkReturnsTheChildsPid) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  const pid_t child = fork();
  if (child == 0) {
    const pid_t me = getpid();
    _exit(write(fds[1], &me, sizeof(me)) == sizeof(me) ? 0 : 1);
  }
  pid_t told = 0;
  EXPECT_EQ(read(fds[0], &told, sizeof(told)), (ssize_t)sizeof(told));
  EXPECT_EQ(told, child);
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(ForkCopiesMemory) {
  static int value = 1;
  std::vector<char> heap(1 << 20, 'a');
  const int status = RunInChild([&] {
    value = 2;
    heap[5000] = 'b';
    return heap[5000] == 'b' && heap[5001] == 'a' ? value : 99;
  });
  EXPECT_EQ(WEXITSTATUS(status), 2);
  EXPECT_EQ(value, 1);
  EXPECT_EQ(heap[5000], 'a');
}

TEST(ForkSharesOpenFileDescriptions) {
  const int fd = ASSERT_OK(open("f", O_RDWR | O_CREAT, 0600));
  RunInChild([&] { return write(fd, "child", 5) == 5 ? 0 : 1; });
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 5);
}

TEST(ForkFromChildOfChild) {
  const int status = RunInChild([] {
    const int inner = RunInChild([] { return RunInChild([] { return 5; }) >> 8; });
    return (inner >> 8) + 1;
  });
  EXPECT_EQ(WEXITSTATUS(status), 6);
}

TEST(VforkSharesMemoryAndSuspendsTheParent) {
  volatile int shared = 0;
  const pid_t child = vfork();
  if (child == 0) {
    shared = 7;
    usleep(50000);
    shared = 8;
    _exit(3);
  }
  EXPECT_EQ((int)shared, 8);
  EXPECT_EQ(WEXITSTATUS(WaitStatus(child)), 3);
}

TEST(VforkThenExec) {
  for (int i = 0; i < 20; i++) {
    const pid_t child = vfork();
    if (child == 0) {
      execl(SelfPath(), "x", "--helper", "ExitWith", "9", nullptr);
      _exit(1);
    }
    EXPECT_EQ(WEXITSTATUS(WaitStatus(child)), 9);
  }
}

HELPER(ExitWith) { return atoi(argv[1]); }

TEST(CloneWithSharedFileTable) {
  static char stack[65536];
  static int fds[2];
  auto body = [](void*) { return close(fds[1]); };
  ASSERT_OK(pipe(fds));
  const int child = ASSERT_OK(clone(body, stack + sizeof(stack), CLONE_FILES | CLONE_VM | SIGCHLD, nullptr));
  EXPECT_EQ(WaitStatus(child), 0);
  EXPECT_ERRNO(fcntl(fds[1], F_GETFD), EBADF);
}

TEST(CloneParentAndChildTid) {
  static char stack[65536];
  static int parent_tid, child_tid;
  auto body = [](void*) { return child_tid == getpid() ? 0 : 1; };
  const int child =
      ASSERT_OK(clone(body, stack + sizeof(stack), CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD,
                      nullptr, &parent_tid, nullptr, &child_tid));
  EXPECT_EQ(parent_tid, child);
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(CloneRefusesBadFlags) {
  EXPECT_ERRNO(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL);
  EXPECT_ERRNO(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
  EXPECT_ERRNO(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0), EINVAL);
}

TEST(Clone3Works) {
  clone_args args = {};
  args.exit_signal = SIGCHLD;
  const long child = syscall(SYS_clone3, &args, sizeof(args));
  if (child == 0) _exit(4);
  if (child == -1 && errno == ENOSYS) Skip("no clone3");
  EXPECT_EQ(WEXITSTATUS(WaitStatus(child)), 4);
  EXPECT_ERRNO(syscall(SYS_clone3, &args, 8), EINVAL);
}

TEST(ClonePidfd) {
  int pidfd = -1;
  const long child = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);
  if (child == 0) _exit(0);
  if (child == -1) Skip("no CLONE_PIDFD");
  siginfo_t info = {};
  EXPECT_OK(waitid(static_cast<idtype_t>(3) /* P_PIDFD */, pidfd, &info, WEXITED));
  EXPECT_EQ(info.si_pid, (pid_t)child);
}

TEST(ExitStatusIsTruncatedToEightBits) {
  EXPECT_EQ(WEXITSTATUS(RunInChild([] { return 0x1234; })), 0x34);
}

TEST(WaitReportsSignals) {
  for (int signal : {SIGKILL, SIGTERM, SIGUSR1, SIGALRM, SIGRTMIN}) {
    const int status = RunInChild([=] { return kill(getpid(), signal); });
    EXPECT(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), signal);
  }
}

TEST(WaitWithoutChildren) {
  EXPECT_ERRNO(waitpid(-1, nullptr, 0), ECHILD);
  EXPECT_ERRNO(waitpid(1 << 30, nullptr, WNOHANG), ECHILD);
  EXPECT_ERRNO(waitpid(-1, nullptr, 0x4000), EINVAL);
}

TEST(WaitNohangAndNowait) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  const pid_t child = fork();
  if (child == 0) {
    char c;
    close(fds[1]);
    _exit(read(fds[0], &c, 1) + 3);
  }
  EXPECT_EQ(waitpid(child, nullptr, WNOHANG), 0);
  close(fds[1]);
  siginfo_t info = {};
  EXPECT_OK(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
  EXPECT_EQ(info.si_status, 3);
  EXPECT_EQ(info.si_code, CLD_EXITED);
  EXPECT_EQ(WEXITSTATUS(WaitStatus(child)), 3);
  EXPECT_ERRNO(waitpid(child, nullptr, 0), ECHILD);
}

TEST(WaitByProcessGroup) {
  const pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    _exit(2);
  }
  setpgid(child, child);
  int status;
  EXPECT_EQ(waitpid(-child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 2);
}

TEST(WaitWhileAnotherThreadForks) {
  for (int i = 0; i < 50; i++) EXPECT_EQ(RunInChild([=] { return i; }), i << 8);
}

TEST(WaitReturnsRusage) {
  const pid_t child = fork();
  if (child == 0) {
    for (const double end = NowSeconds() + 0.05; NowSeconds() < end;) {
    }
    _exit(0);
  }
  int status;
  rusage usage = {};
  EXPECT_EQ(wait4(child, &status, 0, &usage), child);
  EXPECT(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec + usage.ru_utime.tv_sec > 0);
}

TEST(StopAndContinueAreReported) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  int status;
  EXPECT_OK(kill(child, SIGSTOP));
  EXPECT_EQ(waitpid(child, &status, WUNTRACED), child);
  EXPECT(WIFSTOPPED(status));
  EXPECT_EQ(WSTOPSIG(status), SIGSTOP);
  EXPECT_OK(kill(child, SIGCONT));
  EXPECT_EQ(waitpid(child, &status, WCONTINUED), child);
  EXPECT(WIFCONTINUED(status));
  EXPECT_OK(kill(child, SIGKILL));
  EXPECT_EQ(WTERMSIG(WaitStatus(child)), SIGKILL);
}

TEST(KilledWhileStopped) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  int status;
  kill(child, SIGSTOP);
  waitpid(child, &status, WUNTRACED);
  EXPECT_OK(kill(child, SIGTERM));  // stays pending: the child is stopped
  SleepMs(50);
  EXPECT_EQ(waitpid(child, &status, WNOHANG), 0);
  EXPECT_OK(kill(child, SIGCONT));
  EXPECT_EQ(WTERMSIG(WaitStatus(child)), SIGTERM);
}

TEST(ZombieKeepsItsPid) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info;
  waitid(P_PID, child, &info, WEXITED | WNOWAIT);
  EXPECT_OK(kill(child, 0));
  EXPECT_OK(kill(child, SIGKILL));
  EXPECT_EQ(WaitStatus(child), 0);
  EXPECT_ERRNO(kill(child, 0), ESRCH);
}

TEST(OrphansGoToTheSubreaper) {
  ASSERT_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
  const int status = RunInChild([] {
    if (fork() == 0) {
      SleepMs(100);
      _exit(getppid() == 1 ? 1 : 6);
    }
    return 0;
  });
  EXPECT_EQ(status, 0);
  int orphan;
  EXPECT_OK(waitpid(-1, &orphan, 0));
  EXPECT_EQ(WEXITSTATUS(orphan), 6);
}

TEST(ParentDeathSignal) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  RunInChild([&] {
    const pid_t middle = fork();
    if (middle == 0) {
      if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (write(fds[1], "r", 1) != 1) _exit(1);
        for (;;) pause();
      }
      pause();
    }
    close(fds[1]);
    char c;
    if (read(fds[0], &c, 1) != 1) return 1;
    kill(middle, SIGKILL);
    return WaitStatus(middle) == SIGKILL ? 0 : 1;
  });
  close(fds[1]);
  char c;
  EXPECT_EQ(read(fds[0], &c, 1), 0);  // the grandchild is gone too: nobody holds the pipe
}

TEST(ProcessGroupsAndSessions) {
  const int status = RunInChild([] {
    EXPECT_OK(setsid());
    EXPECT_EQ(getsid(0), getpid());
    EXPECT_EQ(getpgrp(), getpid());
    EXPECT_ERRNO(setsid(), EPERM);
    EXPECT_ERRNO(setpgid(0, 1 << 29), EPERM);
    EXPECT_ERRNO(setpgid(1 << 29, 0), ESRCH);
    EXPECT_ERRNO(setpgid(0, -1), EINVAL);
    EXPECT_ERRNO(getpgid(1 << 29), ESRCH);
    return Failed();
  });
  EXPECT_EQ(status, 0);
}

TEST(SetpgidAfterExecIsRefused) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  const pid_t child = fork();
  if (child == 0) {
    dup2(fds[1], 1);
    execl(SelfPath(), "x", "--helper", "SayAndSleep", nullptr);
    _exit(1);
  }
  char c;
  EXPECT_EQ(read(fds[0], &c, 1), 1);
  EXPECT_ERRNO(setpgid(child, child), EACCES);
  kill(child, SIGKILL);
  WaitStatus(child);
}

HELPER(SayAndSleep) {
  if (write(1, "x", 1) != 1) return 1;
  return pause();
}

TEST(ManyProcessesAtOnce) {
  std::vector<pid_t> children;
  for (int i = 0; i < 200; i++) {
    const pid_t child = fork();
    if (child == 0) _exit(i & 63);
    if (child < 0) break;
    children.push_back(child);
  }
  EXPECT_EQ(children.size(), 200u);
  for (size_t i = 0; i < children.size(); i++) EXPECT_EQ(WaitStatus(children[i]), int(i & 63) << 8);
}

TEST(GetpidOfThreads) {
  EXPECT_EQ((pid_t)syscall(SYS_gettid), getpid());
  EXPECT_EQ(getpgid(0), getpgrp());
  EXPECT(getppid() >= 0);
}

TEST(PidfdOpenAndSend) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  const long pidfd = syscall(SYS_pidfd_open, child, 0);
  if (pidfd < 0 && errno == ENOSYS) {
    kill(child, SIGKILL);
    Skip("no pidfd_open");
  }
  EXPECT_OK(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0));
  EXPECT_EQ(WTERMSIG(WaitStatus(child)), SIGKILL);
  EXPECT_ERRNO(syscall(SYS_pidfd_open, 1 << 30, 0), ESRCH);
}

TEST(PrctlAuxv) {
  constexpr int kGetAuxv = 0x41555856;
  const std::string file = ReadAll("/proc/self/auxv");
  char vector[8192], start[16];
  const long size = prctl(kGetAuxv, vector, sizeof(vector), 0, 0);
  EXPECT(size >= (long)file.size());  // Linux' has room behind the last entry
  EXPECT_EQ(std::string(vector, file.size()), file);
  EXPECT_EQ(prctl(kGetAuxv, start, sizeof(start), 0, 0), size);
  EXPECT_EQ(std::string(start, sizeof(start)), file.substr(0, sizeof(start)));
  EXPECT_ERRNO(prctl(kGetAuxv, 8, 16, 0, 0), EFAULT);
  EXPECT_ERRNO(prctl(kGetAuxv, vector, sizeof(vector), 1, 0), EINVAL);
}

TEST(PrctlName) {
  char name[16] = {};
  EXPECT_OK(prctl(PR_SET_NAME, "a-rather-long-name-is-cut"));
  EXPECT_OK(prctl(PR_GET_NAME, name));
  EXPECT_EQ(std::string(name), "a-rather-long-n");
  EXPECT_EQ(ReadAll("/proc/self/comm"), "a-rather-long-n\n");
}

// The signal may come before the child has begun, while it begins, or later.
TEST(KillOfANewChild) {
  for (int i = 0; i < 40; i++) {
    const pid_t child = fork();
    if (child == 0) {
      for (;;) {
      }
    }
    if (i % 2) sched_yield();
    EXPECT_OK(kill(child, SIGTERM));
    const int status = WaitStatus(child);
    EXPECT(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGTERM);
  }
}

TEST(StopOfANewChild) {
  for (int i = 0; i < 10; i++) {
    const pid_t child = fork();
    if (child == 0) {
      for (;;) {
      }
    }
    int status = 0;
    EXPECT_OK(kill(child, SIGSTOP));
    EXPECT_EQ(waitpid(child, &status, WUNTRACED), child);
    EXPECT(WIFSTOPPED(status));
    EXPECT_OK(kill(child, SIGKILL));
    EXPECT_OK(kill(child, SIGCONT));
    EXPECT_EQ(WTERMSIG(WaitStatus(child)), SIGKILL);
  }
}
