// Legal transitions between container states.
#include "runsc-cli/container/lifecycle.h"

#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

absl::Status Refuse(const std::string& why) { return absl::FailedPreconditionError(why); }

absl::Status CheckStart(std::string_view id, ContainerStatus status) {
  switch (status) {
    case ContainerStatus::kCreated:
      return absl::OkStatus();
    case ContainerStatus::kRunning:
    case ContainerStatus::kPaused:
      return Refuse(Cat("container \"", id, "\": cannot start an already running container"));
    case ContainerStatus::kStopped:
      return Refuse(Cat("container \"", id, "\": cannot start a container that has stopped"));
    case ContainerStatus::kCreating:
      break;
  }
  return Refuse(Cat("container \"", id, "\": cannot start a container that is still being created"));
}

}  // namespace

absl::Status NotRunning(std::string_view id) { return Refuse(Cat("container \"", id, "\": container not running")); }

std::string_view StatusName(ContainerStatus status) {
  switch (status) {
    case ContainerStatus::kCreating:
      return "creating";
    case ContainerStatus::kCreated:
      return "created";
    case ContainerStatus::kRunning:
      return "running";
    case ContainerStatus::kPaused:
      return "paused";
    case ContainerStatus::kStopped:
      break;
  }
  return "stopped";
}

std::optional<ContainerStatus> StatusFromName(std::string_view name) {
  for (ContainerStatus status : {ContainerStatus::kCreating, ContainerStatus::kCreated, ContainerStatus::kRunning,
                                 ContainerStatus::kPaused, ContainerStatus::kStopped}) {
    if (StatusName(status) == name) return status;
  }
  return std::nullopt;
}

absl::Status CheckTransition(Operation operation, std::string_view id, ContainerStatus status) {
  switch (operation) {
    case Operation::kStart:
      return CheckStart(id, status);
    case Operation::kSignal:
      if (status == ContainerStatus::kCreated || status == ContainerStatus::kRunning ||
          status == ContainerStatus::kPaused) {
        return absl::OkStatus();
      }
      return NotRunning(id);
    case Operation::kExec:
      if (status == ContainerStatus::kCreated || status == ContainerStatus::kRunning) return absl::OkStatus();
      if (status == ContainerStatus::kPaused) {
        return Refuse(
            Cat("container \"", id, "\": cannot exec in a paused container (use --ignore-paused to override)"));
      }
      return NotRunning(id);
    case Operation::kPause:
      if (status == ContainerStatus::kRunning) return absl::OkStatus();
      return NotRunning(id);
    case Operation::kResume:
      if (status == ContainerStatus::kPaused) return absl::OkStatus();
      return Refuse(Cat("container \"", id, "\": container not paused"));
    case Operation::kDelete:
      if (status == ContainerStatus::kStopped) return absl::OkStatus();
      return Refuse(Cat("cannot delete container \"", id, "\" that is not stopped: ", StatusName(status),
                        " (delete --force kills it)"));
  }
  return absl::OkStatus();
}

}  // namespace runsc
