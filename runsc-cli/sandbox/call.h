// Questions to the sandbox that a container lives in.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cli/container/store.h"
#include "runsc-cli/control/channel.h"

namespace runsc {

inline constexpr int kCallTimeoutSeconds = 30;

// A connection to the sandbox of the container with this state. 0: answers may take for ever.
absl::StatusOr<ControlChannel> ConnectToSandbox(StateStore& store, const ContainerState& state,
                                                int timeout_seconds = kCallTimeoutSeconds);

// One question without an answer in words.
absl::Status TellSandbox(StateStore& store, const ContainerState& state, ControlType type, std::string body);

}  // namespace runsc
