// runsc ps: the processes of a container.
#include <sys/sysmacros.h>
#include <time.h>

#include <algorithm>

#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/printable.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/sandbox/call.h"
#include "runsc-cli/sandbox/container.h"
#include "runsc-cli/sandbox/host_pids.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"format", FlagKind::kEnum, "table", "table|json", "table: by their numbers in the container; json: host pids",
     "f"},
};

constexpr int64_t kNsPerSecond = 1'000'000'000;

struct Clocks {
  time_t wall;
  int64_t monotonic_ns;
};

Clocks Now() {
  timespec wall, monotonic;
  clock_gettime(CLOCK_REALTIME, &wall);
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  return {wall.tv_sec, monotonic.tv_sec * kNsPerSecond + monotonic.tv_nsec};
}

std::string PadTo(std::string text, size_t width) {
  text.resize(std::max(width, text.size() + 1), ' ');
  return text;
}

std::string TwoDigits(int64_t number) { return Cat(number / 10, number % 10); }

// As ps(1): the time of day, or the day of an earlier one.
std::string StartOf(const ProcessInfo& process, const Clocks& now) {
  const time_t seconds = now.wall - now.monotonic_ns / kNsPerSecond + process.start_ns / kNsPerSecond;
  tm start, today;
  localtime_r(&seconds, &start);
  localtime_r(&now.wall, &today);
  const bool is_today = start.tm_yday == today.tm_yday && start.tm_year == today.tm_year;
  char text[16];
  strftime(text, sizeof(text), is_today ? "%H:%M" : "%b%d", &start);
  return text;
}

// In percent of the time since it began.
int64_t ShareOf(const ProcessInfo& process, const Clocks& now) {
  return process.cpu_ns * 100 / std::max<int64_t>(now.monotonic_ns - process.start_ns, 1);
}

std::string TerminalOf(const ProcessInfo& process) {
  constexpr unsigned kPts = 136;
  if (process.terminal == 0) return "?";
  const unsigned kind = major(process.terminal), number = minor(process.terminal);
  return kind == kPts ? Cat("pts/", number) : Cat(kind, ":", number);
}

std::string CpuTimeOf(const ProcessInfo& process) {
  const int64_t seconds = process.cpu_ns / kNsPerSecond;
  return Cat(TwoDigits(seconds / 3600), ":", TwoDigits(seconds / 60 % 60), ":", TwoDigits(seconds % 60));
}

std::string CommandOf(const ProcessInfo& process) {
  std::string text = process.arguments;
  while (!text.empty() && text.back() == '\0') text.pop_back();
  std::replace(text.begin(), text.end(), '\0', ' ');
  if (text.empty()) text = Cat("[", process.name, "]");
  return Printable(process.zombie ? text + " <defunct>" : text);
}

// The columns of `ps -ef`, which runc prints, but with the container's own numbers.
std::string AsTable(const ProcessesReply& reply) {
  const Clocks now = Now();
  std::string out = Cat(PadTo("UID", 10), PadTo("PID", 8), PadTo("PPID", 8), PadTo("C", 4), PadTo("STIME", 7),
                        PadTo("TTY", 8), PadTo("TIME", 10), "CMD\n");
  for (const ProcessInfo& p : reply.processes) {
    out += Cat(PadTo(Cat(p.uid), 10), PadTo(Cat(p.pid), 8), PadTo(Cat(p.parent), 8), PadTo(Cat(ShareOf(p, now)), 4),
               PadTo(StartOf(p, now), 7), PadTo(TerminalOf(p), 8), PadTo(CpuTimeOf(p), 10), CommandOf(p), "\n");
  }
  return out;
}

// runc's: what the host calls them, for programs that look in the host's /proc. An init that has not been started is
// nobody there but its monitor.
std::string AsJson(const ContainerState& state, ContainerStatus status, const ProcessesReply& reply) {
  std::vector<pid_t> stubs;
  for (const ProcessInfo& p : reply.processes) stubs.push_back(p.stub);
  std::vector<std::string> pids;
  if (status == ContainerStatus::kCreated) pids.push_back(Cat(state.monitor.pid));
  for (const pid_t pid : ToHostPids(state.sandbox, stubs)) pids.push_back(Cat(pid));
  return Cat("[", Join(pids, ","), "]\n");
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  ASSIGN_OR_RETURN(const ContainerState state, store.Read(invocation.args[0]));
  const ContainerStatus status = QueryStatus(store, state);
  RETURN_IF_ERROR(CheckTransition(Operation::kSignal, state.id, status));
  ASSIGN_OR_RETURN(const ProcessesReply reply, AskSandbox<ProcessesReply>(store, state, ControlType::kProcesses,
                                                                          ToWire(ContainerRequest{state.id})));
  RETURN_IF_ERROR(
      Print(invocation.flags.GetString("format") == "json" ? AsJson(state, status, reply) : AsTable(reply)));
  return 0;
}

}  // namespace

// What follows the id are options for ps(1) in runc, and ignored as it does with --format=json.
const Verb kPsVerb = {"ps", "<container-id> [ps options]", "list the processes of a container", kFlags, 1, kAnyNumber,
                      Run};

}  // namespace runsc
