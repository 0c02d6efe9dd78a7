// runsc usage: the memory of a container.
#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/sandbox/call.h"
#include "runsc-cli/sandbox/container.h"
#include "runsc-cli/sandbox/host_pids.h"
#include "runsc-cli/sandbox/memory_usage.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"full", FlagKind::kBool, "false", "", "gVisor's: everything is always measured", "", false},
};

// gVisor's names. What it cannot tell apart, or does not have, it gives as 0.
std::string AsJson(const MemoryUsage& usage) {
  return Cat("{\"Unknown\":0,\"Mapped\":", usage.mapped, ",\"Anonymous\":", usage.anonymous,
             ",\"PageCache\":0,\"Tmpfs\":", usage.tmpfs, ",\"Ramdiskfs\":0,\"System\":", usage.system,
             ",\"Total\":", usage.total(), "}\n");
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  ASSIGN_OR_RETURN(const ContainerState state, store.Read(invocation.args[0]));
  if (CurrentStatus(state) == ContainerStatus::kStopped) return NotRunning(state.id);
  ASSIGN_OR_RETURN(const ProcessesReply reply, AskSandbox<ProcessesReply>(store, state, ControlType::kProcesses,
                                                                          ToWire(ContainerRequest{state.id})));
  std::vector<pid_t> stubs;
  for (const ProcessInfo& process : reply.processes) stubs.push_back(process.stub);
  RETURN_IF_ERROR(Print(AsJson(MeasureMemory(state, ToHostPids(state.sandbox, stubs)))));
  return 0;
}

}  // namespace

const Verb kUsageVerb = {"usage", "<container-id>", "the memory of a container, in bytes, as JSON", kFlags, 1, 1, Run};

}  // namespace runsc
