// What the verbs do to containers: state directory and sandbox processes together.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cli/base/flags.h"
#include "runsc-cli/container/store.h"
#include "runsc-cli/sandbox/bundle.h"
#include "runsc-cli/sandbox/spawn.h"

namespace runsc {

struct CreateOptions {
  const FlagSet* globals = nullptr;
  std::string id;
  const Bundle* bundle = nullptr;
  std::string pid_file;          // "" for none
  bool start_now = false;        // run: start init as soon as the container is on record
  bool die_with_caller = false;  // run in the foreground
};

// Makes the container; on failure nothing of it is left.
absl::StatusOr<Sandbox> CreateContainer(StateStore& store, const CreateOptions& options);

// The status now, asking the sandbox where the file may lag behind.
ContainerStatus QueryStatus(const StateDirectory& directory, const ContainerState& state);

absl::Status StartContainer(StateStore& store, const std::string& id);
// `pid`: the guest process; with `all`, every one.
absl::Status SignalContainer(StateStore& store, const std::string& id, int signo, int pid, bool all);
// Removes every trace; with `force` also of a living, damaged or missing container.
absl::Status DeleteContainer(StateStore& store, const std::string& id, bool force);

}  // namespace runsc
