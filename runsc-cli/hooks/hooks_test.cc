#include "runsc-cli/hooks/hooks.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

using ::testing::HasSubstr;

class HooksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/hooks_test.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    place_ = {"{\"id\": \"c\"}", name, ""};
  }
  void TearDown() override { (void)!system(Cat("rm -r ", place_.directory).c_str()); }

  static SpecHook Shell(const std::string& script, std::optional<int32_t> timeout = {}) {
    return {"/bin/sh", {"sh", "-c", script}, {"PATH=/bin:/usr/bin"}, timeout};
  }
  std::string Read(const std::string& name) {
    const auto text = ReadFileAt(AT_FDCWD, Cat(place_.directory, "/", name), 1 << 20);
    return text.ok() ? *text : "(none)";
  }

  HookPlace place_;
};

TEST_F(HooksTest, RunInOrderInTheBundle) {
  ASSERT_TRUE(RunHooks("prestart", {Shell("echo one >>log"), Shell("echo two >>log")}, place_).ok());

  EXPECT_EQ(Read("log"), "one\ntwo\n");
}

TEST_F(HooksTest, ReadTheStateFromStandardInput) {
  ASSERT_TRUE(RunHooks("prestart", {Shell("cat >state"), Shell("cat >again")}, place_).ok());

  EXPECT_EQ(Read("state"), place_.state_json);
  EXPECT_EQ(Read("again"), place_.state_json);
}

TEST_F(HooksTest, HaveTheEnvironmentGivenAndNoOther) {
  setenv("LEAK", "1", 1);
  ASSERT_TRUE(RunHooks("prestart", {{"/usr/bin/env", {"env"}, {"A=b"}, {}}}, place_).ok());
  ASSERT_TRUE(RunHooks("prestart", {Shell("echo \"[$LEAK]\" >env")}, place_).ok());

  EXPECT_EQ(Read("env"), "[]\n");
}

TEST_F(HooksTest, TheFirstFailureEndsIt) {
  const absl::Status status =
      RunHooks("createRuntime", {Shell("exit 0"), Shell("echo why >&2; exit 3"), Shell("echo never >log")}, place_);

  EXPECT_EQ(MessageOf(status), "hooks.createRuntime[1] /bin/sh: exit status 3, output: why");
  EXPECT_EQ(Read("log"), "(none)");
}

TEST_F(HooksTest, ASignalIsAFailure) {
  EXPECT_THAT(MessageOf(RunHooks("prestart", {Shell("kill -9 $$")}, place_)), HasSubstr("killed by signal 9"));
}

TEST_F(HooksTest, AMissingProgramIsAFailure) {
  EXPECT_THAT(MessageOf(RunHooks("prestart", {{"/nonexistent", {}, {}, {}}}, place_)), HasSubstr("/nonexistent"));
  EXPECT_FALSE(RunHooks("prestart", {{"/nonexistent", {}, {}, {}}}, place_).ok());
}

TEST_F(HooksTest, TheTimeoutKillsAllOfIt) {
  const absl::Status status = RunHooks("prestart", {Shell("sleep 1000; echo >late", 1)}, place_);

  EXPECT_THAT(MessageOf(status), HasSubstr("did not end within 1 s"));
  EXPECT_EQ(Read("late"), "(none)");
}

TEST_F(HooksTest, ADaemonDoesNotHoldUsUp) {
  EXPECT_TRUE(RunHooks("prestart", {Shell("sleep 1000 & echo $! >pid")}, place_).ok());

  EXPECT_EQ(system(Cat("kill $(cat ", place_.directory, "/pid)").c_str()), 0);
}

TEST_F(HooksTest, MuchOutputIsCut) {
  const absl::Status status = RunHooks("prestart", {Shell("yes | head -c 1000000; exit 1")}, place_);

  EXPECT_FALSE(status.ok());
  EXPECT_LT(status.message().size(), 8192u);
}

TEST_F(HooksTest, TolerantOnesAllRun) {
  RunHooksTolerantly("poststop", {Shell("exit 1"), Shell("echo ran >log")}, place_);

  EXPECT_EQ(Read("log"), "ran\n");
}

}  // namespace
}  // namespace runsc
