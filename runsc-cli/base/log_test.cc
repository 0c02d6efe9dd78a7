// Unit tests of log formats and paths.
#include "runsc-cli/base/log.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

constexpr int64_t kTime = 1'700'000'000'123'456'789;

TEST(FormatLogLine, MatchesRuncsShapes) {
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, LogLevel::kError, kTime, "a \"b\""),
            "{\"msg\":\"a \\\"b\\\"\",\"level\":\"error\",\"time\":\"2023-11-14T22:13:20.123456789Z\"}\n");
  EXPECT_EQ(FormatLogLine(LogFormat::kText, LogLevel::kWarning, kTime, "a"),
            "time=\"2023-11-14T22:13:20.123456789Z\" level=warning msg=\"a\"\n");
}

TEST(ExpandLogPath, ReplacesVariables) {
  EXPECT_EQ(ExpandLogPath("/l/%ID%.%COMMAND%", "c1", "run", kTime), "/l/c1.run");
  EXPECT_EQ(ExpandLogPath("/l/", "c1", "boot", kTime), "/l/runsc.log.2023-11-14T22:13:20.123456.boot.txt");
  EXPECT_EQ(ExpandLogPath("/l/%ID%%ID%", "%ID%", "x", kTime), "/l/%ID%%ID%");
}

}  // namespace
}  // namespace runsc
