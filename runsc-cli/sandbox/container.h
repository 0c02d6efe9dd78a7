// What the verbs do to containers that are there: state directory and sandbox together.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cli/container/store.h"
#include "runsc-cli/control/protocol.h"

namespace runsc {

// The status now, asking the sandbox where the file may lag behind.
ContainerStatus QueryStatus(StateStore& store, const ContainerState& state);

absl::Status StartContainer(StateStore& store, const std::string& id);
// A container that has stopped has nothing to signal: an error, but for `all`.
absl::Status SignalContainer(StateStore& store, const SignalRequest& request);
absl::Status PauseContainer(StateStore& store, const std::string& id, bool paused);
// Removes every trace; with `force` also of a living, damaged or missing container.
absl::Status DeleteContainer(StateStore& store, const std::string& id, bool force);

}  // namespace runsc
