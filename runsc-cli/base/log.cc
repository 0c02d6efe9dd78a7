// Log lines, their formats and where they go.
#include "runsc-cli/base/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/json_text.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

struct Sinks {
  UniqueFd log, debug_log, panic_log;
  LogFormat log_format = LogFormat::kText, debug_format = LogFormat::kText;
  bool debug = false, also_stderr = false;
};

Sinks& sinks() {
  static Sinks* instance = new Sinks;  // never destroyed: threads may log until the end
  return *instance;
}

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      break;
  }
  return "error";
}

void WriteLine(int fd, std::string_view line) {
  while (!line.empty()) {
    const ssize_t n = write(fd, line.data(), line.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // a full or closed log must not stop a container
    line.remove_prefix(n);
  }
}

std::string OneLine(std::string_view message) {
  std::string line(message);
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return line;
}

absl::StatusOr<UniqueFd> OpenLogFile(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd.valid()) return HostError(errno, "open log file %s", path.c_str());
  return fd;
}

// A file of a flag with variables: its directories are made.
absl::StatusOr<UniqueFd> OpenPatternFile(std::string_view pattern, std::string_view id, std::string_view command) {
  const std::string path = ExpandLogPath(pattern, id, command, NowNs());
  const size_t slash = path.rfind('/');
  if (slash != path.npos && slash > 0) RETURN_IF_ERROR(MakeDirectories(path.substr(0, slash), 0755));
  return OpenLogFile(path);
}

// The descriptor a parent passed, or else the file; closed if there is neither.
template <typename Open>
absl::StatusOr<UniqueFd> OpenSink(int64_t passed, const std::string& path, Open open_file) {
  if (passed >= 0) return UniqueFd(static_cast<int>(passed));
  return path.empty() ? UniqueFd() : open_file(path);
}

// --debug-command: "create,start" names the verbs that write the debug log, "!boot" all but those.
bool DebugLogWanted(std::string_view filter, std::string_view command) {
  if (filter.empty()) return true;
  const bool negated = ConsumePrefix(filter, "!");
  for (std::string_view name : Split(filter, ',')) {
    if (name == command) return !negated;
  }
  return negated;
}

void ReportToUser(LogLevel level, std::string_view message) {
  const std::string line = OneLine(message);
  WriteLine(STDERR_FILENO, Cat("runsc: ", level == LogLevel::kWarning ? "warning: " : "", line, "\n"));
  Sinks& s = sinks();
  if (s.log.valid()) WriteLine(s.log.get(), FormatLogLine(s.log_format, level, NowNs(), line));
  Log::Write(level, line);
}

}  // namespace

LogFormat ParseLogFormat(std::string_view name) {
  if (name == "json") return LogFormat::kJson;
  return name == "json-k8s" ? LogFormat::kJsonK8s : LogFormat::kText;
}

std::string FormatTime(int64_t time_ns) {
  const time_t seconds = time_ns / 1'000'000'000;
  tm parts;
  gmtime_r(&seconds, &parts);
  char buffer[64];
  const int n =
      snprintf(buffer, sizeof(buffer), "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ", parts.tm_year + 1900, parts.tm_mon + 1,
               parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, static_cast<int>(time_ns % 1'000'000'000));
  return std::string(buffer, n);
}

std::string FormatLogLine(LogFormat format, LogLevel level, int64_t time_ns, std::string_view message) {
  const std::string_view name = LevelName(level);
  const std::string time = FormatTime(time_ns);
  switch (format) {
    case LogFormat::kJson:
      return Cat("{\"msg\":", JsonString(message), ",\"level\":\"", name, "\",\"time\":\"", time, "\"}\n");
    case LogFormat::kJsonK8s:
      return Cat("{\"log\":", JsonString(message), ",\"level\":\"", name, "\",\"time\":\"", time, "\"}\n");
    case LogFormat::kText:
      break;
  }
  return Cat("time=\"", time, "\" level=", name, " msg=", JsonString(message), "\n");
}

std::string ExpandLogPath(std::string_view pattern, std::string_view id, std::string_view command, int64_t time_ns) {
  std::string path(pattern);
  if (pattern.ends_with('/')) path += "runsc.log.%TIMESTAMP%.%COMMAND%.txt";
  const std::string stamp = FormatTime(time_ns).substr(0, 26);  // microseconds
  const std::pair<std::string_view, std::string_view> variables[] = {
      {"%ID%", id}, {"%COMMAND%", command}, {"%TIMESTAMP%", stamp}, {"%TEST%", ""}};
  for (const auto& [name, value] : variables) {
    size_t at = 0;
    while ((at = path.find(name, at)) != path.npos) {
      path.replace(at, name.size(), value);
      at += value.size();
    }
  }
  return path;
}

absl::Status Log::OpenErrorLog(const FlagSet& globals) {
  Sinks& s = sinks();
  s.log_format = ParseLogFormat(globals.GetString("log-format"));
  ASSIGN_OR_RETURN(s.log, OpenSink(globals.GetInt("log-fd"), globals.GetString("log"), OpenLogFile));
  return absl::OkStatus();
}

absl::Status Log::OpenDebugLogs(const FlagSet& globals, std::string_view command, std::string_view id) {
  Sinks& s = sinks();
  s.debug = globals.GetBool("debug");
  s.also_stderr = globals.GetBool("alsologtostderr");
  s.debug_format = ParseLogFormat(globals.GetString("debug-log-format"));
  const bool wanted = DebugLogWanted(globals.GetString("debug-command"), command);
  const auto open_pattern = [&](const std::string& pattern) { return OpenPatternFile(pattern, id, command); };
  ASSIGN_OR_RETURN(s.debug_log, OpenSink(globals.GetInt("debug-log-fd"), wanted ? globals.GetString("debug-log") : "",
                                         open_pattern));
  ASSIGN_OR_RETURN(s.panic_log, OpenSink(globals.GetInt("panic-log-fd"), globals.GetString("panic-log"), open_pattern));
  return absl::OkStatus();
}

bool Log::debug_enabled() { return sinks().debug; }

void Log::Write(LogLevel level, std::string_view message) {
  Sinks& s = sinks();
  if (level == LogLevel::kDebug && !s.debug) return;
  const std::string line = FormatLogLine(s.debug_format, level, NowNs(), message);
  if (s.debug_log.valid()) {
    WriteLine(s.debug_log.get(), line);
  } else if (s.debug && s.log.valid() && level < LogLevel::kWarning) {
    WriteLine(s.log.get(), FormatLogLine(s.log_format, level, NowNs(), message));
  }
  if (s.also_stderr) WriteLine(STDERR_FILENO, line);
}

void Log::ReportError(std::string_view message) { ReportToUser(LogLevel::kError, message); }
void Log::ReportWarning(std::string_view message) { ReportToUser(LogLevel::kWarning, message); }

void Log::ForgetDescriptors() {
  for (UniqueFd* fd : {&sinks().log, &sinks().debug_log, &sinks().panic_log}) (void)fd->release();
}

int Log::log_fd() { return sinks().log.get(); }
int Log::debug_log_fd() { return sinks().debug_log.get(); }
int Log::panic_log_fd() { return sinks().panic_log.get(); }

}  // namespace runsc
