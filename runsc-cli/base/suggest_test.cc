// Unit tests of suggestions for mistyped words.
#include "runsc-cli/base/suggest.h"

#include <gtest/gtest.h>

#include <string>

namespace runsc {
namespace {

constexpr std::string_view kNames[] = {"run", "resume", "ps", "debug-log", "network"};

TEST(Suggestion, NamesTheNearest) {
  EXPECT_EQ(Suggestion("rnu", kNames), " (did you mean \"run\"?)");
  EXPECT_EQ(Suggestion("Run", kNames), " (did you mean \"run\"?)");
  EXPECT_EQ(Suggestion("resmue", kNames), " (did you mean \"resume\"?)");
  EXPECT_EQ(Suggestion("debuglog", kNames), " (did you mean \"debug-log\"?)");
  EXPECT_EQ(Suggestion("netwrk", kNames), " (did you mean \"network\"?)");
}

TEST(Suggestion, IsEmptyWhenNothingIsNear) {
  EXPECT_EQ(Suggestion("version", kNames), "");
  EXPECT_EQ(Suggestion("x", kNames), "");
  EXPECT_EQ(Suggestion("", kNames), "");
  EXPECT_EQ(Suggestion(std::string(100'000, 'r'), kNames), "");
}

}  // namespace
}  // namespace runsc
