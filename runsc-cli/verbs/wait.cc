// runsc wait: blocks until a container's process has ended and prints its exit status.
#include <sys/wait.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/json_text.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/sandbox/call.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"pid", FlagKind::kInt, "0", "", "wait for this process of `exec`, by its number in the container"},
};

absl::StatusOr<int> Run(const Invocation& invocation) {
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  ASSIGN_OR_RETURN(const ContainerState state, store.Read(invocation.args[0]));
  if (CurrentStatus(state) == ContainerStatus::kStopped) return NotRunning(state.id);
  const WaitRequest request{state.id, static_cast<int>(invocation.flags.GetInt("pid"))};
  ASSIGN_OR_RETURN(const WaitReply reply,
                   AskSandbox<WaitReply>(store, state, ControlType::kWait, ToWire(request), {}, /*timeout_seconds=*/0));
  const int status = reply.wait_status;
  const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  RETURN_IF_ERROR(Print(Cat("{\"id\":", JsonString(state.id), ",\"exitStatus\":", code, "}\n")));
  return 0;
}

}  // namespace

const Verb kWaitVerb = {"wait", "<container-id>", "wait for a container and print its exit status", kFlags, 1, 1, Run};

}  // namespace runsc
