#include "runsc-cli/sandbox/call.h"

#include <sys/socket.h>
#include <sys/time.h>

#include "platform/host/status_util.h"
#include "runsc-cli/container/host_process.h"
#include "runsc-cli/container/lifecycle.h"

namespace runsc {

absl::StatusOr<ControlChannel> ConnectToSandbox(StateStore& store, const ContainerState& state, int timeout_seconds) {
  ASSIGN_OR_RETURN(const StateDirectory directory, store.OpenUnlocked(state.sandbox_id));
  ASSIGN_OR_RETURN(ControlChannel channel, ConnectControlSocket(directory.fd()));
  const timeval timeout = {timeout_seconds, 0};
  setsockopt(channel.fd(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  return channel;
}

absl::Status WhyNoAnswer(const ContainerState& state, const absl::Status& failure) {
  constexpr int kPatienceMs = 2000;  // its sockets close before it counts as ended
  return IsGone(failure) && EndsWithin(state.sandbox, kPatienceMs) ? NotRunning(state.id) : failure;
}

absl::Status TellSandbox(StateStore& store, const ContainerState& state, ControlType type, std::string body) {
  ASSIGN_OR_RETURN(const ControlChannel channel, ConnectToSandbox(store, state));
  return channel.Call(type, std::move(body)).status();
}

}  // namespace runsc
