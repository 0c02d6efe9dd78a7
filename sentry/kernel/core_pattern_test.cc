#include "sentry/kernel/core_pattern.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

CoreFacts Facts() {
  return {.pid = 7,
          .tid = 8,
          .outer_pid = 70,
          .outer_tid = 80,
          .uid = 5,
          .gid = 6,
          .signo = 11,
          .dumpable = true,
          .seconds = 1234,
          .limit = 99,
          .host = "box",
          .comm = "sh",
          .exe_path = "/bin/sh"};
}

TEST(CorePattern, SpecifiersSayWhatEnded) {
  EXPECT_EQ(ExpandCorePattern("/c/%e.%p.%s.%t", false, Facts()), "/c/sh.7.11.1234");
  EXPECT_EQ(ExpandCorePattern("%P %i %I %u %g %d %c %h %f %E", false, Facts()), "70 8 80 5 6 1 99 box sh !bin!sh");
}

TEST(CorePattern, PercentSignsAndUnknownSpecifiers) {
  EXPECT_EQ(ExpandCorePattern("a%%b%zc%", false, Facts()), "a%bc");
}

TEST(CorePattern, ThePidIsAddedUnlessItIsThere) {
  EXPECT_EQ(ExpandCorePattern("core", true, Facts()), "core.7");
  EXPECT_EQ(ExpandCorePattern("core-%p", true, Facts()), "core-7");
  EXPECT_EQ(ExpandCorePattern("core-%P", true, Facts()), "core-70.7");
}

TEST(CorePattern, NamesOfProcessesStayInTheDirectory) {
  CoreFacts facts = Facts();
  facts.comm = "../x";
  EXPECT_EQ(ExpandCorePattern("/c/%e", false, facts), "/c/..!x");
  facts.comm = "..";
  EXPECT_EQ(ExpandCorePattern("/c/%e", false, facts), "/c/!..");
}

TEST(CorePattern, NoPrograms) {
  EXPECT_FALSE(SetCorePattern("|/bin/cat").ok());
  EXPECT_FALSE(SetCorePattern("@/run/cores").ok());
  EXPECT_EQ(CorePattern(), "core");
  EXPECT_TRUE(SetCorePattern("/c/%e\n").ok());
  EXPECT_EQ(CorePattern(), "/c/%e");
  EXPECT_TRUE(SetCorePattern("core").ok());
}

}  // namespace
}  // namespace runsc
