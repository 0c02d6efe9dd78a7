// runsc ps: the processes of a container.
#include <time.h>

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

std::string PadTo(std::string text, size_t width) {
  text.resize(std::max(width, text.size() + 1), ' ');
  return text;
}

std::string TwoDigits(int64_t number) { return Cat(number / 10, number % 10); }

// Hours and minutes of the day at which it started, in UTC.
std::string StartOf(const ProcessInfo& process) {
  timespec now, monotonic;
  clock_gettime(CLOCK_REALTIME, &now);
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  const int64_t seconds = now.tv_sec - monotonic.tv_sec + process.start_ns / kNsPerSecond;
  return Cat(TwoDigits(seconds / 3600 % 24), ":", TwoDigits(seconds / 60 % 60));
}

std::string CpuTimeOf(const ProcessInfo& process) {
  const int64_t seconds = process.cpu_ns / kNsPerSecond;
  return Cat(TwoDigits(seconds / 3600), ":", TwoDigits(seconds / 60 % 60), ":", TwoDigits(seconds % 60));
}

std::string AsTable(const ProcessesReply& reply) {
  std::string out =
      Cat(PadTo("UID", 10), PadTo("PID", 8), PadTo("PPID", 8), PadTo("STIME", 8), PadTo("TIME", 10), "CMD\n");
  for (const ProcessInfo& p : reply.processes) {
    out += Cat(PadTo(Cat(p.uid), 10), PadTo(Cat(p.pid), 8), PadTo(Cat(p.parent), 8), PadTo(StartOf(p), 8),
               PadTo(CpuTimeOf(p), 10), Printable(p.name), "\n");
  }
  return out;
}

// runc's: what the host calls them, for programs that look in the host's /proc.
std::string AsJson(const ContainerState& state, const ProcessesReply& reply) {
  std::vector<pid_t> stubs;
  for (const ProcessInfo& p : reply.processes) stubs.push_back(p.stub);
  std::vector<std::string> pids;
  for (const pid_t pid : ToHostPids(state.sandbox, stubs)) pids.push_back(Cat(pid));
  return Cat("[", Join(pids, ","), "]\n");
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  ASSIGN_OR_RETURN(const ContainerState state, store.Read(invocation.args[0]));
  RETURN_IF_ERROR(CheckTransition(Operation::kSignal, state.id, QueryStatus(store, state)));
  ASSIGN_OR_RETURN(const ControlChannel channel, ConnectToSandbox(store, state));
  ASSIGN_OR_RETURN(const ProcessesReply reply,
                   channel.CallFor<ProcessesReply>(ControlType::kProcesses, ToWire(ContainerRequest{state.id})));
  RETURN_IF_ERROR(Print(invocation.flags.GetString("format") == "json" ? AsJson(state, reply) : AsTable(reply)));
  return 0;
}

}  // namespace

// What follows the id are options for ps(1) in runc, and ignored as it does with --format=json.
const Verb kPsVerb = {"ps", "<container-id> [ps options]", "list the processes of a container", kFlags, 1, kAnyNumber,
                      Run};

}  // namespace runsc
