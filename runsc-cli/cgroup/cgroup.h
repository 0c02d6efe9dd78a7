// A container's cgroup on the host: made, joined by the sandbox's processes, limited, removed.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"
#include "runsc-cli/cgroup/hierarchy.h"
#include "runsc-cli/cgroup/settings.h"
#include "runsc-cli/cgroup/view.h"

namespace runsc {

// AlreadyExists if a process is in it: somebody else's, who must not be limited or killed with the container.
absl::Status CheckCgroupIsFree(const CgroupPaths& paths);

// Makes the directories that are missing, with their controllers enabled. On failure what was made is removed.
absl::Status MakeCgroup(const std::vector<CgroupHierarchy>& hierarchies, const CgroupPaths& paths);

// Writes the limits. The error says which file refused which value, or that the controller is missing.
absl::Status ApplyResources(const CgroupPaths& paths, const SpecResources& resources);

// What SpawnSelf needs to start a process in the cgroup, and what the sandbox may read of it.
struct CgroupEntrance {
  UniqueFd unified;                // v2 directory, for clone
  std::vector<UniqueFd> v1_procs;  // cgroup.procs of every v1 hierarchy
  std::vector<CgroupFd> view;
};
absl::StatusOr<CgroupEntrance> OpenEntrance(const CgroupPaths& paths);

// Moves a process that runs already. The host waits for a grace period in each hierarchy.
absl::Status MoveToCgroup(const CgroupEntrance& entrance, pid_t pid);

// Removes the directories and those below them, for up to some seconds while processes are still going. With `kill`,
// whatever is in them meanwhile is killed. OK if they are gone already.
absl::Status RemoveCgroup(const CgroupPaths& paths, bool kill);

// The directory and file of a controller's setting; "" if there is no such controller.
std::string CgroupFile(const CgroupPaths& paths, const std::string& controller, std::string_view file);

}  // namespace runsc
