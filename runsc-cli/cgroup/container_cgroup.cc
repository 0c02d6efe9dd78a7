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

absl::StatusOr<ContainerCgroup> Place(const std::vector<CgroupHierarchy>& hierarchies, const FlagSet& globals,
                                      const Spec& spec, const std::string& id) {
  ContainerCgroup cgroup;
  std::string path = spec.linux_.cgroups_path.empty() ? id : spec.linux_.cgroups_path;
  if (SystemdNaming(globals)) {
    ASSIGN_OR_RETURN(cgroup.systemd, ParseSystemdCgroup(spec.linux_.cgroups_path, id));
    ASSIGN_OR_RETURN(const std::string slice, ExpandSlice(cgroup.systemd->slice));
    ASSIGN_OR_RETURN(const std::string root, SystemdRoot());
    path = Cat(root, slice, "/", cgroup.systemd->unit);
  }
  ASSIGN_OR_RETURN(cgroup.paths, PlaceCgroup(hierarchies, path));
  return cgroup;
}

absl::StatusOr<CgroupSettings> SettingsFor(const CgroupPaths& paths, const SpecResources& resources) {
  return IsUnifiedOnly(paths) ? SettingsV2(resources) : SettingsV1(resources);
}

absl::Status StartUnit(const ContainerCgroup& cgroup, const std::string& id, const SpecResources& resources,
                       std::optional<IdleProcess>& keeper) {
  ASSIGN_OR_RETURN(const CgroupSettings limits, SettingsFor(cgroup.paths, resources));
  ASSIGN_OR_RETURN(IdleProcess idle, IdleProcess::Start());
  keeper.emplace(std::move(idle));
  return StartSystemdUnit(*cgroup.systemd, id, keeper->pid(), limits);
}

}  // namespace

absl::StatusOr<ContainerCgroup> PlaceContainerCgroup(const FlagSet& globals, const Spec& spec, const std::string& id) {
  if (!WantsCgroup(globals, spec)) return ContainerCgroup();
  ASSIGN_OR_RETURN(const std::vector<CgroupHierarchy> hierarchies, ReadCgroupHierarchies());
  if (hierarchies.empty()) {
    return absl::FailedPreconditionError("no cgroup hierarchy is mounted on this host (--ignore-cgroups does without)");
  }
  ASSIGN_OR_RETURN(ContainerCgroup cgroup, Place(hierarchies, globals, spec, id));
  RETURN_IF_ERROR(CheckCgroupIsFree(cgroup.paths));
  return cgroup;
}

absl::Status MakeContainerCgroup(const SpecResources& resources, const std::string& id, ContainerCgroup& cgroup,
                                 std::optional<IdleProcess>& keeper) {
  if (cgroup.paths.empty()) return absl::OkStatus();
  if (cgroup.systemd) RETURN_IF_ERROR(StartUnit(cgroup, id, resources, keeper));
  ASSIGN_OR_RETURN(const std::vector<CgroupHierarchy> hierarchies, ReadCgroupHierarchies());
  const absl::Status made = MakeAndLimit(hierarchies, cgroup.paths, resources);
  if (made.ok() || !MayNot(made)) return made;
  Log::ReportWarning(Cat("container runs without a cgroup and its limits: ", MessageOf(made)));
  cgroup = {};
  return absl::OkStatus();
}

absl::Status UpdateContainerCgroup(const CgroupPaths& paths, const std::string& unit, const SpecResources& resources) {
  if (!unit.empty()) {
    ASSIGN_OR_RETURN(const CgroupSettings limits, SettingsFor(paths, resources));
    RETURN_IF_ERROR(UpdateSystemdUnit(unit, limits));
  }
  return ApplyResources(paths, resources);
}

void EnterCgroup(const CgroupEntrance& entrance, SpawnOptions& options) {
  options.join_cgroup = entrance.unified.get();
  for (const UniqueFd& procs : entrance.v1_procs) options.cgroup_procs.push_back(procs.get());
}

}  // namespace runsc
