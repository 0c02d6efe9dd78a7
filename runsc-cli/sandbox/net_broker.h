// Starts the process that opens sockets in the container's network namespace.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"
#include "runsc-cli/base/flags.h"
#include "runsc-cli/cgroup/cgroup.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {

// The sentry's end of the channel to it; the process ends when the sentry closes it. Invalid when the container's
// network is the sentry's own loopback: with --network=none, or a network namespace that nobody else can have put a
// link into.
// `made`: the path of the namespace that was made for the container, if one was. `cgroup` may be null.
absl::StatusOr<UniqueFd> SpawnNetBroker(const FlagSet& globals, const Spec& spec, const std::string& made,
                                        const CgroupEntrance* cgroup);

}  // namespace runsc
