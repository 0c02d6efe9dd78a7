// The few mount operations a jail is made of.
#include "platform/host/mounts_unsafe.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/host/status_util.h"

namespace runsc {
namespace {

struct Parameter {
  const char* key;
  const char* value;
};

absl::StatusOr<UniqueFd> NewMount(const char* type, std::initializer_list<Parameter> parameters, unsigned attributes) {
  UniqueFd context(fsopen(type, FSOPEN_CLOEXEC));
  if (!context.valid()) return HostError(errno, "fsopen %s", type);
  for (const Parameter& p : parameters) {
    if (fsconfig(context.get(), FSCONFIG_SET_STRING, p.key, p.value, 0) != 0) {
      return HostError(errno, "set option %s=%s of a %s mount", p.key, p.value, type);
    }
  }
  if (fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return HostError(errno, "create a %s mount", type);
  }
  UniqueFd mount(fsmount(context.get(), FSMOUNT_CLOEXEC, attributes));
  if (!mount.valid()) return HostError(errno, "fsmount %s", type);
  return mount;
}

constexpr unsigned kInert = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

}  // namespace

absl::Status MakeMountsPrivate() {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return HostError(errno, "make mounts private");
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> NewTmpfs() {
  return NewMount("tmpfs", {{"size", "4k"}, {"nr_inodes", "8"}, {"mode", "0555"}}, kInert);
}

absl::StatusOr<UniqueFd> NewProcfs() { return NewMount("proc", {{"subset", "pid"}}, kInert | MOUNT_ATTR_RDONLY); }

// The new root is mounted over the old one and the two change places, so no directory of the host
// needs to be empty or known.
absl::Status PivotInto(int tmpfs) {
  if (move_mount(tmpfs, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return HostError(errno, "mount an empty root");
  }
  if (fchdir(tmpfs) != 0) return HostError(errno, "enter the empty root");
  if (syscall(SYS_pivot_root, ".", ".") != 0) return HostError(errno, "pivot_root");
  if (umount2(".", MNT_DETACH) != 0) return HostError(errno, "unmount the host's root");
  if (chdir("/") != 0) return HostError(errno, "chdir /");
  return absl::OkStatus();
}

absl::Status AttachInRoot(int root, int mount, const char* name) {
  if (mkdirat(root, name, 0555) != 0) return HostError(errno, "mkdir /%s", name);
  if (move_mount(mount, "", root, name, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return HostError(errno, "mount /%s", name);
  }
  return absl::OkStatus();
}

absl::Status SealRoot() {
  unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (mount(nullptr, "/", nullptr, flags, nullptr) != 0) {
    return HostError(errno, "make the root read-only");
  }
  return absl::OkStatus();
}

}  // namespace runsc
