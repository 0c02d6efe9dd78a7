// runsc debug: a look into a running sandbox.
#include <fcntl.h>

#include <algorithm>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/printable.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/sandbox/call.h"
#include "runsc-cli/sandbox/container.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"stacks", FlagKind::kBool, "false", "",
     "what every thread does: of the container, and of the sandbox on the host"},
    {"ps", FlagKind::kBool, "false", "", "the container's processes"},
    {"strace", FlagKind::kString, "", "",
     "off, all, or names of calls, comma-separated: trace calls of the sandbox's containers"},
    {"strace-log", FlagKind::kString, "", "", "file that gets the traced calls, instead of the sandbox's --debug-log"},
    {"signal", FlagKind::kInt, "-1", "", "gVisor's; `kill` sends signals", "", false},
    {"pid", FlagKind::kInt, "0", "", "gVisor's", "", false},
    {"delay", FlagKind::kString, "", "", "gVisor's", "", false},
    {"duration", FlagKind::kString, "", "", "gVisor's", "", false},
};

constexpr size_t kMaxProcText = 64 << 10;

std::string ProcLine(pid_t pid, const std::string& tid, std::string_view file) {
  const absl::StatusOr<std::string> text =
      ReadFileAt(AT_FDCWD, Cat("/proc/", pid, "/task/", tid, "/", file), kMaxProcText);
  return text.ok() ? text->substr(0, text->find('\n')) : "?";
}

std::string ContainerTasks(const TasksReply& reply) {
  std::string out = "container:\n";
  for (const TaskInfo& task : reply.tasks) {
    out += Cat("  pid ", task.pid, " tid ", task.tid, " (", Printable(task.name), "): ", Printable(task.doing), "\n");
  }
  return out;
}

// As the host's kernel sees them: where it is that they wait. Frames of the sentry's functions are not shown: a thread
// would have to unwind its own stack, in a handler of a signal that ends host calls early in code that has no signals.
std::string SandboxThreads(const ContainerState& state) {
  std::string out = Cat("sandbox, host pid ", state.sandbox.pid, ":\n");
  for (const DirectoryEntry& task : ListDirectory(AT_FDCWD, Cat("/proc/", state.sandbox.pid, "/task"))) {
    const std::string& tid = task.name;
    out += Cat("  tid ", tid, " (", ProcLine(state.sandbox.pid, tid, "comm"),
               "): ", ProcLine(state.sandbox.pid, tid, "wchan"), ", call ", ProcLine(state.sandbox.pid, tid, "syscall"),
               "\n");
  }
  return out;
}

absl::Status PrintStacks(const ControlChannel& channel, const ContainerState& state) {
  ASSIGN_OR_RETURN(const TasksReply reply,
                   channel.CallFor<TasksReply>(ControlType::kTasks, ToWire(ContainerRequest{state.id})));
  return Print(ContainerTasks(reply) + SandboxThreads(state));
}

absl::Status PrintProcesses(const ControlChannel& channel, const ContainerState& state) {
  ASSIGN_OR_RETURN(const ProcessesReply reply,
                   channel.CallFor<ProcessesReply>(ControlType::kProcesses, ToWire(ContainerRequest{state.id})));
  std::string out;
  for (const ProcessInfo& p : reply.processes)
    out += Cat(p.pid, " ", p.parent, " ", p.uid, " ", Printable(p.name), "\n");
  return Print("PID PPID UID NAME\n" + out);
}

absl::Status SetStrace(const ControlChannel& channel, const FlagSet& flags) {
  StraceRequest request;
  const std::string& calls = flags.GetString("strace");
  request.on = calls != "off";
  if (calls != "all" && request.on) request.calls = calls;
  UniqueFd file;
  std::vector<int> fds;
  if (const std::string& path = flags.GetString("strace-log"); !path.empty()) {
    file.reset(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
    if (!file.valid()) return HostError(errno, "--strace-log: open %s", path.c_str());
    fds.push_back(file.get());
  }
  return channel.Call(ControlType::kStrace, ToWire(request), fds).status();
}

absl::Status Look(const ControlChannel& channel, const ContainerState& state, const FlagSet& flags) {
  if (flags.GetBool("ps")) RETURN_IF_ERROR(PrintProcesses(channel, state));
  if (flags.GetBool("stacks")) RETURN_IF_ERROR(PrintStacks(channel, state));
  return flags.IsSet("strace") ? SetStrace(channel, flags) : absl::OkStatus();
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  const FlagSet& flags = invocation.flags;
  if (!flags.GetBool("stacks") && !flags.GetBool("ps") && !flags.IsSet("strace")) {
    return InvalidArgument("give --stacks, --ps or --strace");
  }
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  ASSIGN_OR_RETURN(const ContainerState state, store.Read(invocation.args[0]));
  if (CurrentStatus(state) == ContainerStatus::kStopped) return NotRunning(state.id);
  const absl::StatusOr<ControlChannel> channel = ConnectToSandbox(store, state);
  const absl::Status looked = channel.ok() ? Look(*channel, state, flags) : channel.status();
  if (!looked.ok()) return WhyNoAnswer(state, looked);
  return 0;
}

}  // namespace

const Verb kDebugVerb = {"debug", "<container-id>", "look into a running container", kFlags, 1, 1, Run};

}  // namespace runsc
