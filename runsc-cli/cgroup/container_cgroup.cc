// A container's cgroup, from its flags and config.json.
#include "runsc-cli/cgroup/container_cgroup.h"

#include <errno.h>
#include <unistd.h>

#include "platform/host/child_process_unsafe.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/systemd.h"

namespace runsc {
namespace {

bool SystemdNaming(const FlagSet& globals) {
  return globals.GetBool("systemd-cgroup") || globals.GetString("cgroup-manager") == "systemd";
}

bool WantsCgroup(const FlagSet& globals, const Spec& spec) {
  if (globals.GetBool("ignore-cgroups") || globals.GetString("cgroup-manager") == "disabled") return false;
  if (!spec.linux_.cgroups_path.empty()) return true;
  const absl::StatusOr<CgroupSettings> v1 = SettingsV1(spec.linux_.resources);
  return !v1.ok() || !v1->settings.empty();
}

bool MayNot(const absl::Status& status) {
  const Errno error = ToErrno(status);
  return geteuid() != 0 && (error == Errno(EACCES) || error == Errno(EPERM) || error == Errno(EROFS));
}

absl::Status MakeAndLimit(const std::vector<CgroupHierarchy>& hierarchies, const CgroupPaths& paths,
                          const SpecResources& resources) {
  RETURN_IF_ERROR(MakeCgroup(hierarchies, paths));
  absl::Status limited = ApplyResources(paths, resources);
  if (!limited.ok()) RemoveCgroup(paths, false).IgnoreError();
  return limited;
}

// The directories, made by systemd or to be made by us.
absl::StatusOr<CgroupPaths> Place(const std::vector<CgroupHierarchy>& hierarchies, const FlagSet& globals,
                                  const Spec& spec, const std::string& id) {
  if (!SystemdNaming(globals)) {
    return PlaceCgroup(hierarchies, spec.linux_.cgroups_path.empty() ? id : spec.linux_.cgroups_path);
  }
  ASSIGN_OR_RETURN(const SystemdCgroup unit, ParseSystemdCgroup(spec.linux_.cgroups_path, id));
  ASSIGN_OR_RETURN(const std::string slice, ExpandSlice(unit.slice));
  RETURN_IF_ERROR(StartSystemdScope(unit, id));
  return PlaceCgroup(hierarchies, Cat(slice, "/", unit.unit));
}

}  // namespace

absl::StatusOr<CgroupPaths> PlaceContainerCgroup(const FlagSet& globals, const Spec& spec, const std::string& id) {
  if (!WantsCgroup(globals, spec)) return CgroupPaths();
  ASSIGN_OR_RETURN(const std::vector<CgroupHierarchy> hierarchies, ReadCgroupHierarchies());
  if (hierarchies.empty()) {
    return absl::FailedPreconditionError("no cgroup hierarchy is mounted on this host (--ignore-cgroups does without)");
  }
  ASSIGN_OR_RETURN(CgroupPaths paths, Place(hierarchies, globals, spec, id));
  RETURN_IF_ERROR(CheckCgroupIsFree(paths));
  return paths;
}

absl::Status MakeContainerCgroup(const SpecResources& resources, CgroupPaths& paths) {
  if (paths.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<CgroupHierarchy> hierarchies, ReadCgroupHierarchies());
  const absl::Status made = MakeAndLimit(hierarchies, paths, resources);
  if (made.ok() || !MayNot(made)) return made;
  Log::ReportWarning(Cat("container runs without a cgroup and its limits: ", MessageOf(made)));
  paths.clear();
  return absl::OkStatus();
}

void EnterCgroup(const CgroupEntrance& entrance, SpawnOptions& options) {
  options.join_cgroup = entrance.unified.get();
  for (const UniqueFd& procs : entrance.v1_procs) options.cgroup_procs.push_back(procs.get());
}

}  // namespace runsc
