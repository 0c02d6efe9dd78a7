// The command line's logs: errors on standard error and in --log, details in --debug-log.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "platform/base/unique_fd.h"
#include "runsc-cli/base/flags.h"
#include "runsc-cli/base/text.h"

namespace runsc {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson, kJsonK8s };

LogFormat ParseLogFormat(std::string_view name);

// One line, newline included. `time_ns` is Unix time.
std::string FormatLogLine(LogFormat format, LogLevel level, int64_t time_ns, std::string_view message);

// "%ID%", "%COMMAND%" and "%TIMESTAMP%" replaced; a trailing '/' gets a default file name.
std::string ExpandLogPath(std::string_view pattern, std::string_view id, std::string_view command, int64_t time_ns);

// The time as RFC 3339 with nanoseconds, in UTC.
std::string FormatTime(int64_t time_ns);

// The process-wide log. Set up once by main, before any thread; the writing functions may be called
// from any thread (one write(2) per line, so lines never mix).
class Log {
 public:
  // Opens --log. Before anything that can fail, so that callers find the error there.
  static absl::Status OpenErrorLog(const FlagSet& globals);
  // Opens --debug-log and --panic-log. `command` is the verb, `id` the container or "".
  static absl::Status OpenDebugLogs(const FlagSet& globals, std::string_view command, std::string_view id);
  static bool debug_enabled();
  // Anything not an error goes to the debug log only.
  static void Write(LogLevel level, std::string_view message);
  // An error for the user: standard error, --log and the debug log. One line each.
  static void ReportError(std::string_view message);
  // A warning for the user: as an error, by level "warning".
  static void ReportWarning(std::string_view message);
  // In a fork that starts anew: the numbers of our descriptors are others' now.
  static void ForgetDescriptors();
  // Descriptors a child process may inherit through --log-fd, --debug-log-fd and --panic-log-fd; -1 if closed.
  static int log_fd();
  static int debug_log_fd();
  static int panic_log_fd();
};

template <typename... Args>
void LogDebug(const Args&... args) {
  if (Log::debug_enabled()) Log::Write(LogLevel::kDebug, Cat(args...));
}

template <typename... Args>
void LogInfo(const Args&... args) {
  if (Log::debug_log_fd() >= 0) Log::Write(LogLevel::kInfo, Cat(args...));
}

}  // namespace runsc
