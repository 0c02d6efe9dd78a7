// Unit tests of what boot derives from config.json.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <signal.h>

#include "runsc-cli/base/text.h"
#include "runsc-cli/boot/guest_init.h"
#include "runsc-cli/boot/guest_process.h"
#include "sentry/kernel/fd_table.h"

namespace runsc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(InitCredentials, CannotHaveMoreThanPermitted) {
  SpecProcess process;
  process.user = {1000, 1001, {}, {7}};
  process.capabilities = {.bounding = 0xff, .effective = 0xf, .inheritable = 0x3, .permitted = 0x7, .ambient = 0xf};
  const CredentialsRef creds = InitCredentials(process, true);
  EXPECT_EQ(creds->euid, 1000u);
  EXPECT_EQ(creds->fsgid, 1001u);
  EXPECT_EQ(creds->effective, 0x7u);
  EXPECT_EQ(creds->ambient, 0x3u);
  EXPECT_EQ(creds->bounding, 0xffu);
}

TEST(InitCredentials, DropsRawSocketsUnlessAsked) {
  SpecProcess process;
  process.capabilities.bounding = process.capabilities.permitted = CapabilityMask{1} << CAP_NET_RAW;
  EXPECT_EQ(InitCredentials(process, false)->bounding, 0u);
  EXPECT_NE(InitCredentials(process, true)->bounding, 0u);
}

TEST(PathDirectories, FollowsTheContainersPath) {
  EXPECT_THAT(PathDirectories({"A=b", "PATH=/x::/y"}), ElementsAre("/x", ".", "/y"));
  EXPECT_EQ(PathDirectories({}).size(), 6u);
}

TEST(HomeOf, ReadsPasswd) {
  const char passwd[] = "root:x:0:0::/root:/bin/sh\nbad:line\nu:x:7:7::/home/u:\ne:x:8:8:::\n";
  EXPECT_EQ(HomeOf(passwd, 0), "/root");
  EXPECT_EQ(HomeOf(passwd, 7), "/home/u");
  EXPECT_EQ(HomeOf(passwd, 8), "/");
  EXPECT_EQ(HomeOf(passwd, 9), "/");
}

TEST(CheckArgumentSize, HasLinuxLimits) {
  InitProcess init;
  init.args = {"p", std::string((128 << 10) - 1, 'x')};
  EXPECT_TRUE(CheckArgumentSize(init, 8 << 20).ok());
  init.args[1] += 'x';
  EXPECT_THAT(MessageOf(CheckArgumentSize(init, 8 << 20)), HasSubstr("argument list too long"));
  init.args.assign(30, std::string(100'000, 'x'));
  EXPECT_FALSE(CheckArgumentSize(init, 8 << 20).ok());
  EXPECT_TRUE(CheckArgumentSize(init, RLIM_INFINITY).ok());
}

TEST(EarlySignals, OnlyDeadlyOnesEndAnUnstartedContainer) {
  for (int signo : {SIGTERM, SIGKILL, SIGINT, SIGUSR1, SIGRTMIN}) EXPECT_TRUE(EndsProcessByDefault(signo)) << signo;
  for (int signo : {0, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGWINCH})
    EXPECT_FALSE(EndsProcessByDefault(signo)) << signo;
}

}  // namespace
}  // namespace runsc
