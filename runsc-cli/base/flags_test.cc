// Unit tests of the Go-style flag parser.
#include "runsc-cli/base/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runsc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr FlagDef kDefs[] = {
    {"debug", FlagKind::kBool, "false", "", ""},
    {"gso", FlagKind::kBool, "true", "", ""},
    {"bundle", FlagKind::kString, ".", "", "", "b"},
    {"limit", FlagKind::kInt, "-1", "", ""},
    {"size", FlagKind::kUint, "1024", "", ""},
    {"stop", FlagKind::kDuration, "15s", "", ""},
    {"network", FlagKind::kEnum, "sandbox", "sandbox|host|none", ""},
    {"volume", FlagKind::kList, "", "", ""},
    {"rootless", FlagKind::kSwitch, "false", "true|false|auto", ""},
};

absl::StatusOr<size_t> Parse(FlagSet& flags, std::vector<std::string_view> args) { return flags.Parse(args); }

TEST(FlagSet, StartsWithDefaults) {
  FlagSet flags(kDefs);
  EXPECT_FALSE(flags.GetBool("debug"));
  EXPECT_TRUE(flags.GetBool("gso"));
  EXPECT_EQ(flags.GetInt("limit"), -1);
  EXPECT_EQ(flags.GetString("network"), "sandbox");
  EXPECT_TRUE(flags.GetList("volume").empty());
  EXPECT_FALSE(flags.IsSet("debug"));
}

TEST(FlagSet, TakesOneOrTwoDashesAndEqualsOrSpace) {
  for (std::vector<std::string_view> args : std::vector<std::vector<std::string_view>>{
           {"-bundle", "x"}, {"--bundle", "x"}, {"-bundle=x"}, {"--bundle=x"}, {"-b", "x"}, {"--b=x"}}) {
    FlagSet flags(kDefs);
    ASSERT_EQ(*Parse(flags, args), args.size());
    EXPECT_EQ(flags.GetString("bundle"), "x");
  }
}

TEST(FlagSet, BooleanNeverTakesTheNextArgument) {
  FlagSet flags(kDefs);
  EXPECT_EQ(*Parse(flags, {"--debug", "false"}), 1u);
  EXPECT_TRUE(flags.GetBool("debug"));
  EXPECT_EQ(*Parse(flags, {"--debug=false", "-gso=0"}), 2u);
  EXPECT_FALSE(flags.GetBool("debug"));
  EXPECT_FALSE(flags.GetBool("gso"));
}

TEST(FlagSet, ASwitchTakesTheNextArgumentIfItIsAValue) {
  FlagSet flags(kDefs);
  EXPECT_EQ(*Parse(flags, {"--rootless", "run"}), 1u);
  EXPECT_EQ(flags.GetString("rootless"), "true");
  EXPECT_EQ(*Parse(flags, {"--rootless", "auto", "run"}), 2u);
  EXPECT_EQ(flags.GetString("rootless"), "auto");
  EXPECT_EQ(*Parse(flags, {"--rootless=false", "run"}), 1u);
  EXPECT_EQ(flags.GetString("rootless"), "false");
  EXPECT_FALSE(Parse(flags, {"--rootless=run"}).ok());
}

TEST(FlagSet, StopsAtFirstWordAndAfterDoubleDash) {
  FlagSet flags(kDefs);
  EXPECT_EQ(*Parse(flags, {"--debug", "run", "--nosuch"}), 1u);
  EXPECT_EQ(*Parse(flags, {"--debug", "--", "--gso"}), 2u);
  EXPECT_EQ(*Parse(flags, {"-", "x"}), 0u);
}

TEST(FlagSet, LastValueWinsAndListsCollect) {
  FlagSet flags(kDefs);
  ASSERT_TRUE(Parse(flags, {"--volume=a", "--volume", "b", "--limit=1", "--limit=2"}).ok());
  EXPECT_THAT(flags.GetList("volume"), ElementsAre("a", "b"));
  EXPECT_EQ(flags.GetInt("limit"), 2);
  EXPECT_THAT(flags.ToArgs(), ElementsAre("--limit=2", "--volume=a", "--volume=b"));
}

TEST(FlagSet, EmptyValueIsAValue) {
  FlagSet flags(kDefs);
  EXPECT_EQ(*Parse(flags, {"--bundle="}), 1u);
  EXPECT_EQ(flags.GetString("bundle"), "");
}

TEST(FlagSet, RefusesWithTheFlagsName) {
  const struct {
    std::vector<std::string_view> args;
    const char* error;
  } cases[] = {
      {{"--nosuch"}, "flag provided but not defined: --nosuch"},
      {{"--nosuch=1"}, "flag provided but not defined: --nosuch"},
      {{"--bundle"}, "flag needs an argument: --bundle"},
      {{"---debug"}, "bad flag syntax: ---debug"},
      {{"--=x"}, "bad flag syntax: --=x"},
      {{"--debug=maybe"}, "--debug: expected true or false"},
      {{"--limit", "many"}, "--limit: expected a number"},
      {{"--size=-1"}, "--size: expected a number, not negative"},
      {{"--stop=soon"}, "--stop: expected a duration"},
      {{"--network=bridge"}, "one of sandbox, host, none"},
  };
  for (const auto& c : cases) {
    FlagSet flags(kDefs);
    EXPECT_THAT(std::string(Parse(flags, c.args).status().message()), HasSubstr(c.error));
  }
}

TEST(FlagSet, HelpStopsParsing) {
  FlagSet flags(kDefs);
  EXPECT_TRUE(Parse(flags, {"-h", "--nosuch"}).ok());
  EXPECT_TRUE(flags.help_requested());
}

TEST(GoDuration, Parses) {
  EXPECT_EQ(*ParseGoDuration("0"), 0);
  EXPECT_EQ(*ParseGoDuration("20ms"), 20'000'000);
  EXPECT_EQ(*ParseGoDuration("1m30.5s"), 90'500'000'000);
  EXPECT_EQ(*ParseGoDuration("-1ns"), -1);
  for (std::string_view bad : {"", "1", "s", "1x", "1..2s", "--1s", "9999999999999h"}) {
    EXPECT_FALSE(ParseGoDuration(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace runsc
