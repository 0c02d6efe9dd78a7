#include "platform/stub/stub_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace runsc::stub {
namespace {

// A process with a second thread, whose number it tells.
struct TwoThreads {
  TwoThreads() {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      std::thread([&] {
        const pid_t self = gettid();
        (void)!write(ends[1], &self, sizeof self);
        for (;;) pause();
      }).join();
    }
    EXPECT_EQ(read(ends[0], &tid, sizeof tid), static_cast<ssize_t>(sizeof tid));
    close(ends[0]), close(ends[1]);
  }
  ~TwoThreads() {
    kill(pid, SIGKILL);
    waitpid(tid, nullptr, __WALL);  // a tracee's end is ours to see first
    waitpid(pid, nullptr, __WALL);
  }
  pid_t pid = 0, tid = 0;
};

TEST(IsChildTest, AProcessOfOurs) {
  const TwoThreads child;
  EXPECT_TRUE(IsChild(child.pid));
  EXPECT_FALSE(IsChild(child.tid));
  EXPECT_FALSE(IsChild(getpid()));
  EXPECT_FALSE(IsChild(1));
  EXPECT_FALSE(IsChild(0));
  EXPECT_FALSE(IsChild(-1));
}

// A stub that lies about its new child could name one of its own threads.
TEST(IsChildTest, NoThreadThatWeTrace) {
  const TwoThreads child;
  if (ptrace(PTRACE_SEIZE, child.tid, 0, 0) != 0) GTEST_SKIP() << "no ptrace here";
  EXPECT_FALSE(IsChild(child.tid));
  EXPECT_TRUE(IsChild(child.pid));
}

TEST(IsChildTest, AnEndedOneUntilItIsReaped) {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(IsChild(pid));
  waitpid(pid, nullptr, 0);
  EXPECT_FALSE(IsChild(pid));
}

}  // namespace
}  // namespace runsc::stub
