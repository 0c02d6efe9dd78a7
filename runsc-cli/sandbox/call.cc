#include "runsc-cli/sandbox/call.h"

#include <sys/socket.h>
#include <sys/time.h>

#include "platform/host/status_util.h"

namespace runsc {

absl::StatusOr<ControlChannel> ConnectToSandbox(StateStore& store, const ContainerState& state, int timeout_seconds) {
  ASSIGN_OR_RETURN(const StateDirectory directory, store.OpenUnlocked(state.sandbox_id));
  ASSIGN_OR_RETURN(ControlChannel channel, ConnectControlSocket(directory.fd()));
  const timeval timeout = {timeout_seconds, 0};
  setsockopt(channel.fd(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  return channel;
}

absl::Status TellSandbox(StateStore& store, const ContainerState& state, ControlType type, std::string body) {
  ASSIGN_OR_RETURN(const ControlChannel channel, ConnectToSandbox(store, state));
  return channel.Call(type, std::move(body)).status();
}

}  // namespace runsc
