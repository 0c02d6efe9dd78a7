// Unit tests of crash reports.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "platform/base/unique_fd.h"
#include "runsc-cli/base/crash_report_unsafe.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

using ::testing::HasSubstr;

std::string_view View(const CrashLine& line) { return {line.data(), line.size()}; }

TEST(CrashLine, FormatsNumbers) {
  CrashLine line;
  line.Text("a ").Decimal(0).Text(" ").Decimal(18446744073709551615u).Text(" ").Hex(0xdeadbeef);
  EXPECT_EQ(View(line), "a 0 18446744073709551615 0xdeadbeef");
}

TEST(CrashLine, IsCutAtItsEnd) {
  CrashLine line;
  for (int i = 0; i < 100; ++i) line.Text("0123456789");
  EXPECT_EQ(line.size(), 256u);
}

// Of the signal; or with a shell's status for it, as an init that signals itself, and a thread sanitizer's handlers.
auto DiedOf(int signo) {
  return [signo](int status) {
    return WIFSIGNALED(status) ? WTERMSIG(status) == signo : WEXITSTATUS(status) == 128 + signo;
  };
}

// The report of a process that does `fail`, and dies of `signo`.
std::string ReportOf(int signo, void (*fail)()) {
  std::string path = Cat(::testing::TempDir(), "/crash.XXXXXX");
  const UniqueFd file(mkstemp(path.data()));
  const std::string flag = Cat("--panic-log=", path);
  EXPECT_EXIT(
      {
        FlagSet globals(GlobalFlags());
        const std::string_view args[] = {flag};
        if (!globals.Parse(args).ok() || !Log::OpenDebugLogs(globals, "test", "").ok()) _exit(1);
        ReportCrashes("tester");
        fail();
        _exit(2);
      },
      DiedOf(signo), "");
  const absl::StatusOr<std::string> report = ReadFileAt(AT_FDCWD, path, 1 << 16);
  unlink(path.c_str());
  return report.value_or("");
}

TEST(ReportCrashes, NamesSignalAddressAndFrames) {
  const std::string report = ReportOf(SIGSEGV, [] { *reinterpret_cast<volatile int*>(0x123) = 0; });
  EXPECT_THAT(report, HasSubstr("tester: crashed by SIGSEGV at 0x"));
  EXPECT_THAT(report, HasSubstr("address 0x123"));
  EXPECT_THAT(report, HasSubstr("\n  #3 0x"));
}

TEST(ReportCrashes, ReportsAbort) {
  const std::string report = ReportOf(SIGABRT, [] { abort(); });
  EXPECT_THAT(report, HasSubstr("tester: crashed by SIGABRT"));
  EXPECT_THAT(report, HasSubstr("\n  #3 0x"));
}

TEST(ReportCrashes, ASignalFromOutsideStillKills) {
  EXPECT_THAT(ReportOf(SIGBUS, [] { kill(getpid(), SIGBUS); }), HasSubstr("crashed by SIGBUS"));
}

}  // namespace
}  // namespace runsc
