#include "runsc-cli/sandbox/container_view_unsafe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <string>
#include <vector>

#include "platform/host/jail_unsafe.h"
#include "platform/host/mounts_unsafe.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

struct OpenedMount {
  UniqueFd tree;
  std::string destination;
};

// Those that can be opened: a view without one of them is better than none.
std::vector<OpenedMount> OpenBindMounts(const Bundle& bundle) {
  std::vector<OpenedMount> opened;
  for (const PlannedMount& mount : bundle.plan.mounts) {
    if (mount.kind != PlannedMount::Kind::kBind) continue;
    absl::StatusOr<UniqueFd> tree = OpenAttachTree({mount.source, mount.read_only(), mount.recursive});
    if (tree.ok()) {
      opened.push_back({*std::move(tree), mount.destination});
    } else {
      LogDebug("the host's view of the container: ", MessageOf(tree.status()));
    }
  }
  return opened;
}

// Where the root already is the container's: no link leads out of it.
absl::Status Attach(int tree, const std::string& destination) {
  const UniqueFd place(open(destination.c_str(), O_PATH | O_CLOEXEC));
  if (!place.valid()) return HostError(errno, "open %s in the container", destination.c_str());
  const unsigned by_descriptor = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  if (move_mount(tree, "", place.get(), "", by_descriptor) == 0) return absl::OkStatus();
  return HostError(errno, "mount at %s in the container", destination.c_str());
}

absl::StatusOr<UniqueFd> OpenMounts(int proc, const std::string& process) {
  UniqueFd mounts(openat(proc, (process + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC));
  if (!mounts.valid()) return HostError(errno, "open the mount namespace of process %s", process.c_str());
  return mounts;
}

absl::Status Join(int mounts) {
  return setns(mounts, CLONE_NEWNS) == 0 ? absl::OkStatus() : HostError(errno, "join a mount namespace");
}

}  // namespace

absl::Status ContainerView::Enter(const Bundle& bundle) {
  host_proc_.reset(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (unshare(CLONE_NEWNS) != 0) return HostError(errno, "make a mount namespace");
  RETURN_IF_ERROR(MakeMountsPrivate());
  ASSIGN_OR_RETURN(const UniqueFd root, OpenAttachTree({bundle.rootfs, /*read_only=*/false, /*recursive=*/true}));
  const std::vector<OpenedMount> binds = OpenBindMounts(bundle);
  RETURN_IF_ERROR(PivotInto(root.get()));
  for (const OpenedMount& bind : binds) {
    const absl::Status attached = Attach(bind.tree.get(), bind.destination);
    if (!attached.ok()) LogDebug("the host's view of the container: ", MessageOf(attached));
  }
  return absl::OkStatus();
}

absl::Status ContainerView::ShowProcesses(pid_t sandbox) {
  ASSIGN_OR_RETURN(const UniqueFd own, OpenMounts(host_proc_.get(), "self"));
  ASSIGN_OR_RETURN(const UniqueFd theirs, OpenMounts(host_proc_.get(), Cat(sandbox)));
  RETURN_IF_ERROR(Join(theirs.get()));
  const UniqueFd proc(open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  const int error = errno;
  RETURN_IF_ERROR(Join(own.get()));
  return proc.valid() ? Attach(proc.get(), "/proc") : HostError(error, "clone the sandbox's procfs");
}

}  // namespace runsc
