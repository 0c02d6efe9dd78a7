// Process trees: sessions, orphaned groups, subreapers, the death of parents, credentials across exec.

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

uint64_t Caps(const char* name) {
  const std::string status = ReadAll("/proc/self/status");
  const size_t at = status.find(name);
  return at == std::string::npos ? 0 : strtoull(status.c_str() + at + strlen(name) + 1, nullptr, 16);
}

bool Told(int fd, char want) {
  char c = 0;
  return read(fd, &c, 1) == 1 && c == want;
}

}  // namespace

TEST(ASubreaperAdoptsOrphans) {
  EXPECT_EQ(RunInChild([] {
              if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return 1;
              const pid_t middle = fork();
              if (middle == 0) {
                if (fork() == 0) {
                  while (getppid() == getpgid(0) || getppid() == 1) usleep(1000);
                  usleep(20000);
                  _exit(getppid() == 1 ? 2 : 5);
                }
                _exit(0);
              }
              if (WaitStatus(middle) != 0) return 3;
              int status = 0;
              if (wait(&status) <= 0) return 4;
              return WEXITSTATUS(status) == 5 ? 0 : 6;
            }),
            0);
}

TEST(ParentDeathSignal) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  const pid_t parent = fork();
  if (parent == 0) {
    int ready[2];
    if (pipe(ready) != 0) _exit(1);
    if (fork() == 0) {
      static int out;
      out = fds[1];
      signal(SIGUSR1, [](int) { _exit(write(out, "d", 1) == 1 ? 0 : 1); });
      prctl(PR_SET_PDEATHSIG, SIGUSR1);
      if (write(ready[1], "r", 1) != 1) _exit(1);
      for (;;) pause();
    }
    _exit(Told(ready[0], 'r') ? 0 : 1);
  }
  close(fds[1]);
  EXPECT_EQ(WaitStatus(parent), 0);
  EXPECT(Told(fds[0], 'd'));
}

TEST(DeathSignalIsNotInherited) {
  prctl(PR_SET_PDEATHSIG, SIGUSR1);
  EXPECT_EQ(RunInChild([] {
              int signo = -1;
              prctl(PR_GET_PDEATHSIG, &signo);
              return signo;
            }),
            0);
}

TEST(OrphanedStoppedGroupsAreHungUp) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  const pid_t leader = fork();
  if (leader == 0) {
    setsid();
    const pid_t child = fork();
    if (child == 0) {
      setpgid(0, 0);
      static int out;
      out = fds[1];
      static volatile int seen = 0;
      signal(SIGHUP, [](int) { seen = seen + static_cast<int>(write(out, "h", 1)); });
      signal(SIGCONT, [](int) { seen = seen + static_cast<int>(write(out, "c", 1)); });
      raise(SIGSTOP);
      while (seen < 2) usleep(1000);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, WUNTRACED);
    _exit(WIFSTOPPED(status) ? 0 : 1);
  }
  close(fds[1]);
  EXPECT_EQ(WaitStatus(leader), 0);
  char first = 0, second = 0;
  EXPECT_EQ(read(fds[0], &first, 1), 1);
  EXPECT_EQ(read(fds[0], &second, 1), 1);
  EXPECT((first == 'h' && second == 'c') || (first == 'c' && second == 'h'));
}

TEST(SessionRules) {
  EXPECT_EQ(RunInChild([] {
              if (setsid() != getpid()) return 1;
              if (setsid() != -1 || errno != EPERM) return 2;
              if (setpgid(0, 0) != -1 || errno != EPERM) return 3;
              const pid_t child = fork();
              if (child == 0) {
                for (;;) pause();
              }
              if (setpgid(child, child) != 0 || getpgid(child) != child || getsid(child) != getpid()) return 4;
              if (setpgid(child, 4194000) != -1 || errno != EPERM) return 5;
              if (setpgid(4194000, 0) != -1 || errno != ESRCH) return 6;
              kill(child, SIGKILL);
              WaitStatus(child);
              return 0;
            }),
            0);
}

HELPER(ShowCaps) {
  printf("%lx %lx %lx\n", Caps("CapPrm:"), Caps("CapEff:"), Caps("CapAmb:"));
  return Caps("CapAmb:") == strtoull(argv[argc - 1], nullptr, 16) &&
                 Caps("CapEff:") == strtoull(argv[argc - 1], nullptr, 16)
             ? 0
             : 1;
}

// Across exec of a program without privileges, only ambient capabilities stay.
TEST(AmbientCapabilitiesSurviveExec) {
  EXPECT_EQ(RunInChild([] {
              prctl(PR_SET_KEEPCAPS, 1);
              if (setgroups(0, nullptr) != 0 || setgid(1234) != 0 || setuid(1234) != 0) return 9;
              struct {
                uint32_t version;
                int pid;
              } header{_LINUX_CAPABILITY_VERSION_3, 0};
              struct {
                uint32_t effective, permitted, inheritable;
              } data[2] = {};
              data[0] = {1u << CAP_CHOWN, 1u << CAP_CHOWN, 1u << CAP_CHOWN};
              if (syscall(SYS_capset, &header, data) != 0) return 8;
              if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0) != 0) return 7;
              if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) != -1 || errno != EPERM) return 6;
              execl(SelfPath(), "x", "--helper", "ShowCaps", "1", nullptr);
              return 5;
            }),
            0);
}

TEST(SecurebitsAndNoroot) {
  EXPECT_EQ(RunInChild([] {
              if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED) != 0) return errno == EPERM ? 0 : 9;
              if (prctl(PR_SET_SECUREBITS, 0) != -1 || errno != EPERM) return 8;
              execl(SelfPath(), "x", "--helper", "ShowCaps", "0", nullptr);
              return 5;
            }),
            0);
}

TEST(NoNewPrivsIsInheritedAndStays) {
  EXPECT_EQ(RunInChild([] {
              if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 1;
              if (prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) != -1 || errno != EINVAL) return 2;
              const pid_t child = fork();
              if (child == 0) _exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1);
              return WaitStatus(child);
            }),
            0);
}
