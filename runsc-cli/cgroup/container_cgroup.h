// Whether a container gets a cgroup of its own, and which.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "runsc-cli/base/flags.h"
#include "runsc-cli/cgroup/cgroup.h"
#include "runsc-cli/cgroup/systemd.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {

struct ContainerCgroup {
  CgroupPaths paths;                     // none: it gets no cgroup
  std::optional<SystemdCgroup> systemd;  // the unit that systemd makes it for
};

// Where the cgroup that config.json asks for is to be. No paths when it asks for none (neither a path nor a limit), and
// with --ignore-cgroups or --cgroup-manager=disabled.
absl::StatusOr<ContainerCgroup> PlaceContainerCgroup(const FlagSet& globals, const Spec& spec, const std::string& id);

// Makes it, with its limits. For a user who may not make any: a warning, and the paths are taken back. `keeper`: must
// live until another process is in the cgroup.
absl::Status MakeContainerCgroup(const SpecResources& resources, const std::string& id, ContainerCgroup& cgroup,
                                 std::optional<IdleProcess>& keeper);

// New limits for what was made: as it is recorded, `unit` "" if it is not systemd's.
absl::Status UpdateContainerCgroup(const CgroupPaths& paths, const std::string& unit, const SpecResources& resources);

// Makes the sandbox's processes start in it.
void EnterCgroup(const CgroupEntrance& entrance, struct SpawnOptions& options);

}  // namespace runsc
