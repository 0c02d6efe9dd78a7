// Unit tests of ids, lifecycle, state files and the state root.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runsc-cli/base/text.h"
#include "runsc-cli/container/container_id.h"
#include "runsc-cli/container/store.h"

namespace runsc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    char pattern[] = "/tmp/runsc-store-XXXXXX";
    root_ = mkdtemp(pattern);
  }
  ~StoreTest() override { (void)!system(("rm -rf " + root_).c_str()); }
  StateStore Open() { return *StateStore::Open(root_ + "/a/b"); }
  std::string root_;
};

ContainerState Example() {
  ContainerState state;
  state.id = "c1";
  state.bundle = "/b";
  state.status = ContainerStatus::kRunning;
  state.monitor = {12, 34};
  state.sandbox = {56, 78};
  state.sandbox_id = "pod";
  state.annotations = {{"k", "v"}};
  return state;
}

TEST(ContainerId, AcceptsAndRefuses) {
  for (const std::string& good :
       {std::string("a"), std::string("A-b_c.d+0"), std::string("..."), std::string(255, 'x')}) {
    EXPECT_TRUE(CheckContainerId(good).ok()) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("a b"), std::string("a\n"),
        std::string("\xc3\xa9"), std::string("a\0b", 3), std::string(256, 'x')}) {
    EXPECT_FALSE(CheckContainerId(bad).ok()) << bad;
  }
}

TEST(Lifecycle, AllowsExactlyTheSpecsTransitions) {
  using S = ContainerStatus;
  const struct {
    Operation operation;
    bool creating, created, running, paused, stopped;
  } rows[] = {
      {Operation::kStart, false, true, false, false, false},  {Operation::kSignal, false, true, true, true, false},
      {Operation::kExec, false, true, true, false, false},    {Operation::kPause, false, false, true, false, false},
      {Operation::kResume, false, false, false, true, false}, {Operation::kDelete, false, false, false, false, true}};
  for (const auto& row : rows) {
    EXPECT_EQ(CheckTransition(row.operation, "x", S::kCreating).ok(), row.creating);
    EXPECT_EQ(CheckTransition(row.operation, "x", S::kCreated).ok(), row.created);
    EXPECT_EQ(CheckTransition(row.operation, "x", S::kRunning).ok(), row.running);
    EXPECT_EQ(CheckTransition(row.operation, "x", S::kPaused).ok(), row.paused);
    EXPECT_EQ(CheckTransition(row.operation, "x", S::kStopped).ok(), row.stopped);
  }
}

TEST(Lifecycle, NamesRoundTrip) {
  for (std::string_view name : {"creating", "created", "running", "paused", "stopped"}) {
    EXPECT_EQ(StatusName(*StatusFromName(name)), name);
  }
  EXPECT_FALSE(StatusFromName("resting"));
}

TEST(HostProcess, SelfIsAliveAndStrangersAreNot) {
  const HostProcess self = IdentifyProcess(getpid());
  EXPECT_TRUE(IsAlive(self));
  EXPECT_FALSE(IsAlive({self.pid, self.start_ticks + 1}));  // the pid was reused
  EXPECT_FALSE(IsAlive({0, 0}));
  EXPECT_EQ(IdentifyProcess(1 << 30), HostProcess());
}

TEST(HostProcess, KillsOnlyTheVeryProcess) {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const HostProcess process = IdentifyProcess(child);
  EXPECT_TRUE(KillAndAwaitEnd({child, process.start_ticks + 1}).ok());
  EXPECT_TRUE(IsAlive(process));
  EXPECT_TRUE(KillAndAwaitEnd(process).ok());
  EXPECT_FALSE(IsAlive(process));  // a zombie now
  int status;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
}

TEST(State, RoundTripsThroughJson) {
  const ContainerState state = Example();
  absl::StatusOr<ContainerState> again = StateFromJson(StateToJson(state));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->status, state.status);
  EXPECT_EQ(again->monitor, state.monitor);
  EXPECT_EQ(again->sandbox, state.sandbox);
  EXPECT_EQ(again->sandbox_id, state.sandbox_id);
  EXPECT_EQ(again->annotations, state.annotations);
}

TEST(State, DamagedFilesAreErrors) {
  for (std::string_view bad : {"", "{", "[]", "null", "{}", R"({"status":1})", R"({"status":"x"})"}) {
    EXPECT_FALSE(StateFromJson(bad).ok()) << bad;
  }
  EXPECT_EQ(StateFromJson(R"({"status":"running","sandbox":{"pid":-5}})")->sandbox, HostProcess());
  EXPECT_EQ(StateFromJson(R"({"status":"running","sandbox":7,"annotations":[1]})")->sandbox, HostProcess());
}

TEST(State, DeadMonitorMeansStopped) {
  ContainerState state = Example();
  state.monitor = IdentifyProcess(getpid());
  EXPECT_EQ(CurrentStatus(state), ContainerStatus::kRunning);
  state.monitor.start_ticks++;
  EXPECT_EQ(CurrentStatus(state), ContainerStatus::kStopped);
  state.status = ContainerStatus::kCreating;
  state.creator = IdentifyProcess(getpid());
  EXPECT_EQ(CurrentStatus(state), ContainerStatus::kCreating);
  state.creator = {};
  EXPECT_EQ(CurrentStatus(state), ContainerStatus::kStopped);
}

TEST(State, OciDocumentHasRuncsFields) {
  ContainerState state = Example();
  state.oci_version = "1.2.0";
  const std::string json = OciStateJson(state, ContainerStatus::kStopped);
  EXPECT_THAT(json, HasSubstr("\"pid\": 0"));
  EXPECT_THAT(json, HasSubstr("\"status\": \"stopped\""));
  EXPECT_THAT(ListEntryJson(state, ContainerStatus::kRunning), HasSubstr("\"pid\":12"));
}

TEST_F(StoreTest, CreatesReadsListsAndRemoves) {
  StateStore store = Open();
  absl::StatusOr<StateDirectory> directory = store.Create("c1");
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_TRUE(absl::IsNotFound(store.Read("c1").status()));
  ASSERT_TRUE(directory->Write(Example()).ok());
  EXPECT_EQ(store.Read("c1")->bundle, "/b");
  EXPECT_THAT(store.Ids(), ElementsAre("c1"));
  ASSERT_TRUE(directory->Remove().ok());
  EXPECT_TRUE(store.Ids().empty());
  EXPECT_TRUE(absl::IsNotFound(store.Lock("c1").status()));
}

TEST_F(StoreTest, RefusesDuplicatesButTakesOverLeftovers) {
  StateStore store = Open();
  { StateDirectory abandoned = *store.Create("c1"); }
  {
    absl::StatusOr<StateDirectory> again = store.Create("c1");
    ASSERT_TRUE(again.ok());
    ASSERT_TRUE(again->Write(Example()).ok());
  }
  EXPECT_TRUE(absl::IsAlreadyExists(store.Create("c1").status()));
}

TEST_F(StoreTest, LockKeepsOthersOut) {
  StateStore store = Open();
  StateDirectory first = *store.Create("c1");
  StateStore other = Open();
  const int fd = open((root_ + "/a/b/c1").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT_NE(flock(fd, LOCK_EX | LOCK_NB), 0);
  first.Unlock();
  EXPECT_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
  close(fd);
}

TEST_F(StoreTest, RelockNoticesDeletion) {
  StateStore store = Open();
  StateDirectory mine = *store.Create("c1");
  ASSERT_TRUE(mine.Write(Example()).ok());
  mine.Unlock();
  { ASSERT_TRUE(store.Lock("c1")->Remove().ok()); }
  StateDirectory successor = *store.Create("c1");
  successor.Unlock();
  EXPECT_TRUE(absl::IsNotFound(mine.Relock()));
}

TEST_F(StoreTest, UnwritableRootSaysSo) {
  const absl::Status status = StateStore::Open("/proc/nosuch/dir").status();
  EXPECT_THAT(MessageOf(status), HasSubstr("create directory /proc/nosuch"));
}

TEST_F(StoreTest, TemporaryFilesOfKilledWritersDoNotBlockRemoval) {
  StateStore store = Open();
  StateDirectory directory = *store.Create("c1");
  close(openat(directory.fd(), "state.json.tmp.1", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  EXPECT_TRUE(directory.Remove().ok());
}

}  // namespace
}  // namespace runsc
