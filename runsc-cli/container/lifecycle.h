// The states of a container and which operation is legal in which: the runtime spec's rules, pure.
#pragma once

#include <optional>
#include <string_view>

#include "absl/status/status.h"

namespace runsc {

// creating -> created -> running (<-> paused) -> stopped. A container whose sandbox died is stopped whatever came
// before; one that never became "created" is stopped once its creator is gone.
enum class ContainerStatus { kCreating, kCreated, kRunning, kPaused, kStopped };

enum class Operation { kStart, kSignal, kExec, kPause, kResume, kDelete };

std::string_view StatusName(ContainerStatus status);
std::optional<ContainerStatus> StatusFromName(std::string_view name);

// What any operation on it says that takes a running container, in the words that containerd looks for.
absl::Status NotRunning(std::string_view id);

// OK, or why `operation` is refused. The texts are the ones containerd and Podman look for.
absl::Status CheckTransition(Operation operation, std::string_view id, ContainerStatus status);

}  // namespace runsc
