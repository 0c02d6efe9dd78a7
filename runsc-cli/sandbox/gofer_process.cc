#include "runsc-cli/sandbox/gofer_process.h"

#include "platform/host/jail_unsafe.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/cgroup/container_cgroup.h"
#include "runsc-cli/control/channel.h"
#include "runsc-cli/sandbox/child_arguments.h"

namespace runsc {
namespace {

// Parallel calls to the gofer; more wait for a free channel.
constexpr int kGoferChannels = 2;

// Opens the host tree for the gofer if this user may; otherwise the gofer does it in its namespace.
std::string AttachArgument(ChildArguments& child, std::vector<UniqueFd>& keep, std::string_view mode,
                           const AttachTree& tree) {
  int target = -1;
  absl::StatusOr<UniqueFd> fd = OpenAttachTree(tree);
  if (fd.ok()) {
    target = child.Pass(fd->get());
    keep.push_back(*std::move(fd));
  } else {
    LogDebug("the gofer opens ", tree.path, " itself: ", MessageOf(fd.status()));
  }
  return Cat("--attach=", target, ",", mode, ",", tree.recursive ? "tree" : "single", ",", tree.path);
}

// How the gofer serves the root: with an overlay the container never writes to it, but a file-backed
// upper layer needs room on the same file system ("tmpfile").
std::string_view RootMode(const FlagSet& globals, const Bundle& bundle) {
  const absl::StatusOr<OverlayOption> overlay = ParseOverlayOption(globals.GetString("overlay2"));
  if (bundle.spec.root->readonly) return "ro";
  if (!overlay.ok() || overlay->scope == OverlayOption::Scope::kNone) return "rw";
  return overlay->medium == OverlayOption::Medium::kSelf ? "tmpfile" : "ro";
}

// The container's ids are the gofer's: a file of host id 100000 is the guest root's if the mapping says so.
std::vector<IdMapping> IdMap(const std::vector<SpecIdMapping>& wanted, std::vector<IdMapping> usual) {
  if (wanted.empty()) return usual;
  std::vector<IdMapping> map;
  for (const SpecIdMapping& m : wanted) map.push_back({m.container_id, m.host_id, m.size});
  return map;
}

}  // namespace

absl::StatusOr<GoferChannels> NewGoferChannels() {
  GoferChannels channels;
  for (int i = 0; i < kGoferChannels; ++i) {
    ASSIGN_OR_RETURN(ControlPair pair, NewControlPair());
    channels.sentry_ends.push_back(std::move(pair.ours));
    channels.gofer_ends.push_back(std::move(pair.theirs));
  }
  return channels;
}

absl::StatusOr<SpawnedProcess> SpawnGofer(const FlagSet& globals, const Bundle& bundle, std::vector<UniqueFd> channels,
                                          const CgroupEntrance* cgroup) {
  ChildArguments child("runsc-gofer", globals);
  child.Add("gofer");
  std::vector<UniqueFd> keep;
  const std::string_view root_mode = RootMode(globals, bundle);
  child.Add(AttachArgument(child, keep, root_mode, {bundle.rootfs, root_mode == "ro", true}));
  for (const PlannedMount& mount : bundle.plan.mounts) {
    if (mount.kind != PlannedMount::Kind::kBind) continue;
    const std::string_view mode = mount.read_only() ? "ro" : "rw";
    child.Add(AttachArgument(child, keep, mode, {mount.source, mount.read_only(), mount.recursive}));
  }
  for (const UniqueFd& channel : channels) child.Add(Cat("--channel=", child.Pass(channel.get())));
  SpawnOptions& options = child.options();
  options.namespaces = kHelperNamespaces;
  options.uid_map = IdMap(bundle.spec.linux_.uid_mappings, GoferUidMap());
  options.gid_map = IdMap(bundle.spec.linux_.gid_mappings, GoferGidMap());
  if (cgroup != nullptr) EnterCgroup(*cgroup, options);
  return SpawnSelf(options);
}

}  // namespace runsc
