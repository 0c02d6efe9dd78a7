// From config.json's mounts to a list of steps.
#include "runsc-cli/oci/mount_plan.h"

#include <sys/mount.h>

#include <algorithm>
#include <optional>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

struct MountOption {
  std::string_view name;
  uint64_t set, clear;
};

constexpr MountOption kOptions[] = {
    {"defaults", 0, 0},
    {"ro", MS_RDONLY, 0},
    {"rro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"rrw", 0, MS_RDONLY},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"sync", MS_SYNCHRONOUS, 0},
    {"async", 0, MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC, 0},
    {"mand", MS_MANDLOCK, 0},
    {"nomand", 0, MS_MANDLOCK},
    {"noatime", MS_NOATIME, MS_RELATIME | MS_STRICTATIME},
    {"atime", 0, MS_NOATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"relatime", MS_RELATIME, MS_NOATIME | MS_STRICTATIME},
    {"norelatime", 0, MS_RELATIME},
    {"strictatime", MS_STRICTATIME, MS_NOATIME | MS_RELATIME},
    {"nostrictatime", 0, MS_STRICTATIME},
    {"nolazytime", 0, 0},
    {"iversion", MS_I_VERSION, 0},
    {"noiversion", 0, MS_I_VERSION},
    {"silent", MS_SILENT, 0},
    {"loud", 0, MS_SILENT},
    // Propagation has no meaning inside one sandbox.
    {"private", 0, 0},
    {"rprivate", 0, 0},
    {"slave", 0, 0},
    {"rslave", 0, 0},
    {"shared", 0, 0},
    {"rshared", 0, 0},
    {"unbindable", 0, 0},
    {"runbindable", 0, 0},
};

// "rnosuid" and its like mean a whole tree, as every option does here: a tree of the host is one mount in the guest.
const MountOption* FindOption(std::string_view name) {
  for (const MountOption& option : kOptions) {
    if (option.name == name || (name.size() > 1 && name[0] == 'r' && option.name == name.substr(1))) return &option;
  }
  return nullptr;
}

std::optional<PlannedMount::Kind> KindOf(std::string_view type) {
  using Kind = PlannedMount::Kind;
  if (type == "proc") return Kind::kProc;
  if (type == "sysfs") return Kind::kSys;
  if (type == "tmpfs") return Kind::kTmpfs;
  if (type == "devtmpfs") return Kind::kDev;
  if (type == "devpts") return Kind::kDevPts;
  if (type == "mqueue") return Kind::kMqueue;
  // Whatever version the host has: the guest's is v2.
  if (type == "cgroup" || type == "cgroup2") return Kind::kCgroup;
  return std::nullopt;
}

// Sets flags and data; returns whether "bind" or "rbind" was among the options.
bool ApplyOptions(const std::vector<std::string>& options, PlannedMount& mount) {
  bool bind = false;
  for (const std::string& option : options) {
    if (option == "bind" || option == "rbind") {
      bind = true;
      mount.recursive = option == "rbind";
    } else if (option == "tmpcopyup") {
      mount.copy_up = true;
    } else if (const MountOption* known = FindOption(option)) {
      mount.flags = (mount.flags & ~known->clear) | known->set;
    } else {
      mount.data += Cat(mount.data.empty() ? "" : ",", option);
    }
  }
  return bind;
}

absl::Status PlanOne(const SpecMount& mount, size_t index, const std::string& bundle, MountPlan& plan) {
  PlannedMount planned;
  planned.destination = JoinPath("/", mount.destination);
  planned.source = mount.source;
  if (ApplyOptions(mount.options, planned) || mount.type == "bind") {
    planned.kind = PlannedMount::Kind::kBind;
    planned.source = JoinPath(bundle, mount.source);
    if (!planned.data.empty()) {
      return InvalidArgument("mounts[", index, "].options: unknown for a bind mount: \"", planned.data, "\"");
    }
  } else if (const auto kind = KindOf(mount.type)) {
    planned.kind = *kind;
    // The usual empty tmpfs on /dev: the runtime fills it with device nodes.
    if (planned.destination == "/dev" && mount.type == "tmpfs") planned.kind = PlannedMount::Kind::kDev;
  } else {
    return InvalidArgument("mounts[", index, "].type: unknown file system \"", mount.type, "\"");
  }
  if (planned.copy_up && planned.kind != PlannedMount::Kind::kTmpfs) {
    return InvalidArgument("mounts[", index, "].options: tmpcopyup is for tmpfs");
  }
  plan.mounts.push_back(std::move(planned));
  return absl::OkStatus();
}

bool HasDestination(const MountPlan& plan, std::string_view destination) {
  for (const PlannedMount& mount : plan.mounts) {
    if (mount.destination == destination) return true;
  }
  return false;
}

// Every container has these, asked for or not: programs cannot do without. They go first.
void AddMissing(MountPlan& plan) {
  using Kind = PlannedMount::Kind;
  std::vector<PlannedMount> added;
  const auto add = [&](Kind kind, std::string destination, uint64_t flags) {
    if (HasDestination(plan, destination)) return;
    PlannedMount mount;
    mount.kind = kind;
    mount.destination = std::move(destination);
    mount.source = "none";
    mount.flags = flags;
    added.push_back(std::move(mount));
  };
  const bool had_dev = HasDestination(plan, "/dev");
  add(Kind::kProc, "/proc", MS_NOSUID | MS_NOEXEC | MS_NODEV);
  add(Kind::kDev, "/dev", MS_NOSUID);
  add(Kind::kSys, "/sys", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY);
  plan.mounts.insert(plan.mounts.begin(), added.begin(), added.end());
  if (!had_dev && !HasDestination(plan, "/dev/pts")) {
    PlannedMount pts;
    pts.kind = Kind::kDevPts;
    pts.destination = "/dev/pts";
    pts.source = "devpts";
    pts.flags = MS_NOSUID | MS_NOEXEC;
    plan.mounts.push_back(std::move(pts));
  }
}

}  // namespace

std::vector<std::string> MountOptionNames() {
  std::vector<std::string> names = {"bind", "rbind", "tmpcopyup"};
  for (const MountOption& option : kOptions) names.emplace_back(option.name);
  for (const MountOption& option : kOptions) {
    const std::string recursive = Cat("r", option.name);
    const bool twice = option.set == 0 && option.clear == 0;  // propagation has its own, defaults none
    if (!twice && std::find(names.begin(), names.end(), recursive) == names.end()) names.push_back(recursive);
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool PlannedMount::read_only() const { return flags & MS_RDONLY; }

absl::StatusOr<MountPlan> PlanMounts(const Spec& spec, const std::string& bundle) {
  MountPlan plan;
  for (size_t i = 0; i < spec.mounts.size(); ++i) {
    RETURN_IF_ERROR(PlanOne(spec.mounts[i], i, bundle, plan));
  }
  AddMissing(plan);
  int attach = 0;
  for (PlannedMount& mount : plan.mounts) {
    if (mount.kind == PlannedMount::Kind::kBind) mount.attach = ++attach;
  }
  return plan;
}

}  // namespace runsc
