// runsc wait: blocks until a container's process has ended and prints its exit status.
#include <sys/wait.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/json_text.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/control/channel.h"
#include "runsc-cli/sandbox/container.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

absl::StatusOr<int> Run(const Invocation& invocation) {
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  ASSIGN_OR_RETURN(StateDirectory directory, store.OpenUnlocked(invocation.args[0]));
  ASSIGN_OR_RETURN(ContainerState state, directory.Read());
  if (CurrentStatus(state) == ContainerStatus::kStopped) {
    return absl::FailedPreconditionError(Cat("container \"", state.id, "\": container not running"));
  }
  ASSIGN_OR_RETURN(ControlChannel channel, ConnectControlSocket(directory.fd()));
  ASSIGN_OR_RETURN(std::string body, channel.Call(ControlType::kWait));
  const std::optional<WaitReply> reply = ControlMessage{ControlType::kWait, 0, body}.As<WaitReply>();
  if (!reply) return absl::InternalError("malformed reply from the sandbox");
  const int status = reply->wait_status;
  const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  RETURN_IF_ERROR(Print(Cat("{\"id\":", JsonString(state.id), ",\"exitStatus\":", code, "}\n")));
  return 0;
}

}  // namespace

const Verb kWaitVerb = {"wait", "<container-id>", "wait for a container and print its exit status", {}, 1, 1, Run};

}  // namespace runsc
