// Storms: many processes and threads that come, go, stop, kill and execute at once.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

pthread_t Small(void* (*body)(void*), void* argument = nullptr) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 65536);
  pthread_t thread = 0;
  if (pthread_create(&thread, &attributes, body, argument) != 0) return 0;
  return thread;
}

// A function of its own: nothing it keeps in registers may live across the child's return.
__attribute__((noinline)) bool VforkOnce(bool exit_at_once) {
  const pid_t child = vfork();
  if (child == 0) {
    if (exit_at_once) _exit(8);
    execl(SelfPath(), SelfPath(), "--helper", "Leave", nullptr);
    _exit(1);
  }
  return child > 0 && WaitStatus(child) == 8 << 8;
}

}  // namespace

TEST(ThreadsByTheThousand) {
  static std::atomic<bool> go;
  static std::atomic<int> ran;
  std::vector<pthread_t> threads;
  for (int i = 0; i < 2500; i++) {
    const pthread_t thread = Small([](void*) -> void* {
      go.wait(false);
      ++ran;
      return nullptr;
    });
    if (thread == 0) break;
    threads.push_back(thread);
  }
  EXPECT(threads.size() >= 2000);
  go = true;
  go.notify_all();
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  EXPECT_EQ((size_t)ran.load(), threads.size());
}

TEST(KilledAtAnyInstant) {
  for (int round = 0; round < 60; round++) {
    const pid_t child = fork();
    ASSERT(child >= 0);
    if (child == 0) {
      setpgid(0, 0);
      for (int i = 0; i < 3; i++) {
        Small([](void*) -> void* {
          for (;;) {
            void* page = mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (page != MAP_FAILED) munmap(page, 65536);
            const pid_t inner = fork();
            if (inner == 0) _exit(0);
            if (inner > 0) waitpid(inner, nullptr, 0);
          }
        });
      }
      for (;;) pause();
    }
    usleep(round * 531 % 20000);
    EXPECT_OK(kill(child, SIGKILL));
    EXPECT_EQ(WTERMSIG(WaitStatus(child)), SIGKILL);
  }
}

TEST(ExecWhileSiblingsCall) {
  for (int round = 0; round < 20; round++) {
    const int status = RunInChild([] {
      for (int i = 0; i < 6; i++) {
        Small(
            [](void* which) -> void* {
              for (;;) {
                switch ((long)which) {
                  case 0:
                    getppid();
                    break;
                  case 1:
                    usleep(1);
                    break;
                  case 2:
                    free(malloc(100000));
                    break;
                  case 3:
                    syscall(7000);
                    break;
                  case 4:
                    sched_yield();
                    break;
                  default:
                    pause();
                }
              }
            },
            (void*)(long)i);
      }
      usleep(500);
      execl(SelfPath(), SelfPath(), "--helper", "Leave", nullptr);
      return 1;
    });
    EXPECT_EQ(WEXITSTATUS(status), 8);
  }
}

HELPER(Leave) { return 8; }

TEST(ManyExecsRace) {
  const int status = RunInChild([] {
    for (int i = 0; i < 8; i++) {
      Small([](void*) -> void* {
        execl(SelfPath(), SelfPath(), "--helper", "Leave", nullptr);
        return nullptr;
      });
    }
    for (;;) pause();
    return 0;
  });
  EXPECT_EQ(WEXITSTATUS(status), 8);
}

TEST(VforkStorm) {
  static std::atomic<int> good;
  std::vector<pthread_t> threads;
  for (int i = 0; i < 4; i++) {
    threads.push_back(Small([](void*) -> void* {
      for (int k = 0; k < 25; k++) good += VforkOnce(k % 2);
      return nullptr;
    }));
  }
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  EXPECT_EQ(good.load(), 100);
}

TEST(SharedMemoryCloneStorm) {
  static char stacks[64][16384];
  std::vector<pid_t> children;
  for (auto& stack : stacks) {
    const pid_t child = clone([](void*) { return 6; }, stack + sizeof(stack), CLONE_VM | CLONE_FS | SIGCHLD, nullptr);
    if (child > 0) children.push_back(child);
  }
  EXPECT_EQ(children.size(), 64u);
  for (pid_t child : children) EXPECT_EQ(WaitStatus(child), 6 << 8);
}

TEST(StopContinueStorm) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) getppid();
  }
  for (int i = 0; i < 100; i++) {
    EXPECT_OK(kill(child, SIGSTOP));
    EXPECT_OK(kill(child, SIGCONT));
  }
  EXPECT_OK(kill(child, SIGKILL));
  EXPECT_EQ(WTERMSIG(WaitStatus(child)), SIGKILL);
}

TEST(ProcessLimitHolds) {
  const int status = RunInChild([] {
    if (setuid(54321) != 0) return 9;
    rlimit limit = {20, 20};
    setrlimit(RLIMIT_NPROC, &limit);
    int made = 0;
    for (; made < 100; made++) {
      const pid_t child = fork();
      if (child < 0) return made < 25 && errno == EAGAIN ? 0 : 1;
      if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) pause();
      }
    }
    return 2;
  });
  EXPECT_EQ(status, 0);
}

// Freed by a kernel that goes from one to the next by calling itself, they would be deeper than its stack.
TEST(AsManyFiltersAsThereMayBe) {
  const int status = RunInChild([] {
    sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    sock_fprog program = {1, &allow};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 9;
    int count = 0;
    while (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0) count++;
    return errno == ENOMEM && count > 1000 ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(RunInChild([] { return 5; }), 5 << 8);
}

TEST(PidsAreReused) {
  for (int i = 0; i < 500; i++) {
    if (RunInChild([] { return 0; }) != 0) EXPECT(false);
  }
}

TEST(DeepFamilies) {
  // Each the parent of the next; the deepest decides, all pass it on.
  struct Family {
    static int Depth(int left) {
      if (left == 0) return 5;
      return WEXITSTATUS(RunInChild([=] { return Depth(left - 1); }));
    }
  };
  EXPECT_EQ(Family::Depth(100), 5);
}
