// Unit tests of the global flag table.
#include "runsc-cli/base/global_flags.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <set>
#include <string>

namespace runsc {
namespace {

TEST(GlobalFlags, NamesAreUniqueAndDefaultsAreValid) {
  std::set<std::string_view> names;
  FlagSet flags(GlobalFlags());
  for (const FlagDef& def : GlobalFlags()) {
    EXPECT_TRUE(names.insert(def.name).second) << def.name;
    EXPECT_FALSE(def.help.empty()) << def.name;
    if (def.kind == FlagKind::kList) continue;
    const std::string arg = "--" + std::string(def.name) + "=" + std::string(def.default_value);
    const std::string_view args[] = {arg};
    EXPECT_TRUE(flags.Parse(args).ok()) << arg;
  }
  EXPECT_TRUE(CheckGlobalFlags(flags).ok());
}

TEST(OverlayOption, Parses) {
  EXPECT_EQ(ParseOverlayOption("none")->scope, OverlayOption::Scope::kNone);
  EXPECT_EQ(ParseOverlayOption("root:self")->medium, OverlayOption::Medium::kSelf);
  EXPECT_EQ(ParseOverlayOption("all:memory")->scope, OverlayOption::Scope::kAll);
  EXPECT_EQ(ParseOverlayOption("root:dir=/x")->directory, "/x");
  EXPECT_EQ(ParseOverlayOption("root:memory,size=2g")->size_limit, 2ull << 30);
}

TEST(OverlayOption, RefusesNonsense) {
  for (std::string_view bad : {"", "root", "some:memory", "root:", "root:disk", "root:dir=rel",
                               "root:memory,size=", "root:memory,size=99999999999999999999g"}) {
    EXPECT_FALSE(ParseOverlayOption(bad).ok()) << bad;
  }
}

TEST(StateRoot, FollowsFlagThenEnvironment) {
  FlagSet flags(GlobalFlags());
  unsetenv("XDG_RUNTIME_DIR");
  EXPECT_EQ(StateRoot(flags), geteuid() == 0 ? "/var/run/runsc" : "/run/user/" + std::to_string(geteuid()) + "/runsc");
  setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  EXPECT_EQ(StateRoot(flags), "/run/user/7/runsc");
  const std::string_view args[] = {"--root=/x"};
  ASSERT_TRUE(flags.Parse(args).ok());
  EXPECT_EQ(StateRoot(flags), "/x");
}

}  // namespace
}  // namespace runsc
