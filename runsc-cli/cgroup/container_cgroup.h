// Whether a container gets a cgroup of its own, and which.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cli/base/flags.h"
#include "runsc-cli/cgroup/cgroup.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {

// Makes the cgroup that config.json asks for, with its limits. No paths when it asks for none (neither a path nor a
// limit), with --ignore-cgroups or --cgroup-manager=disabled, and, with a warning, for a user who may not make any.
absl::StatusOr<CgroupPaths> MakeContainerCgroup(const FlagSet& globals, const Spec& spec, const std::string& id);

// Makes the sandbox's processes start in it.
void EnterCgroup(const CgroupEntrance& entrance, struct SpawnOptions& options);

}  // namespace runsc
