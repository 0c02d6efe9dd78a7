// Starts a container's gofer.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "platform/host/child_process_unsafe.h"
#include "runsc-cli/base/flags.h"
#include "runsc-cli/cgroup/cgroup.h"
#include "runsc-cli/sandbox/bundle.h"

namespace runsc {

// Sockets to a gofer, made before it so that the sentry can be started first.
struct GoferChannels {
  std::vector<UniqueFd> sentry_ends, gofer_ends;
};
absl::StatusOr<GoferChannels> NewGoferChannels();

// Keeps no end of `channels`: the sentry must see the gofer die. `cgroup` may be null.
absl::StatusOr<SpawnedProcess> SpawnGofer(const FlagSet& globals, const Bundle& bundle, std::vector<UniqueFd> channels,
                                          const CgroupEntrance* cgroup);

}  // namespace runsc
