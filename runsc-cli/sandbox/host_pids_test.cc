#include "runsc-cli/sandbox/host_pids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace runsc {
namespace {

using ::testing::Contains;

// A process with a child, in the namespaces of this one.
struct Family {
  Family() {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    parent = fork();
    if (parent == 0) {
      const pid_t made = fork();
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (made != 0) (void)!write(ends[1], &made, sizeof made);
      for (;;) pause();
    }
    EXPECT_EQ(read(ends[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
    close(ends[0]), close(ends[1]);
  }
  ~Family() {
    kill(child, SIGKILL);
    kill(parent, SIGKILL);
    waitpid(parent, nullptr, 0);
  }
  pid_t parent = 0, child = 0;
};

TEST(FindStub, OnlyChildrenOfTheSandbox) {
  const Family sandbox, stranger;
  const HostProcess sentry = IdentifyProcess(sandbox.parent);
  const auto stub = FindStub(sentry, sandbox.child);
  ASSERT_TRUE(stub.ok()) << stub.status();
  EXPECT_EQ(*stub, IdentifyProcess(sandbox.child));
  for (const pid_t other : {sandbox.parent, stranger.parent, stranger.child, getpid()}) {
    EXPECT_THAT(ToHostPids(sentry, {other}), Contains(other)) << "in the same namespace";
    EXPECT_FALSE(FindStub(sentry, other).ok()) << other;
  }
  EXPECT_FALSE(FindStub({sandbox.parent, sentry.start_ticks + 1}, sandbox.child).ok()) << "another process by now";
}

}  // namespace
}  // namespace runsc
