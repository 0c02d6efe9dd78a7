// Whether a container gets a cgroup of its own, and which.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cli/base/flags.h"
#include "runsc-cli/cgroup/cgroup.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {

// Where the cgroup that config.json asks for is to be. No paths when it asks for none (neither a path nor a limit), and
// with --ignore-cgroups or --cgroup-manager=disabled.
absl::StatusOr<CgroupPaths> PlaceContainerCgroup(const FlagSet& globals, const Spec& spec, const std::string& id);

// Makes it, with its limits. For a user who may not make any: a warning, and the paths are taken back.
absl::Status MakeContainerCgroup(const SpecResources& resources, CgroupPaths& paths);

// Makes the sandbox's processes start in it.
void EnterCgroup(const CgroupEntrance& entrance, struct SpawnOptions& options);

}  // namespace runsc
