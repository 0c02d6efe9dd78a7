// Mounting: mount(2), umount2(2).
#include <sys/mount.h>

#include <algorithm>

#include "sentry/fs/devpts.h"
#include "sentry/fs/mqueue.h"
#include "sentry/fs/procfs.h"
#include "sentry/fs/sysfs.h"
#include "sentry/fs/tmpfs.h"
#include "sentry/kernel/namespaces.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/mount_flags.h"
#include "syscalls/copy_path.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr uint64_t kMagicMask = 0xffff0000, kMagic = 0xc0ed0000;
// Those of a mount rather than of its filesystem.
constexpr uint64_t kMountFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME |
                                 MS_RELATIME | MS_STRICTATIME | MS_SYNCHRONOUS | 256 /* MS_NOSYMFOLLOW */;
constexpr uint64_t kPropagation = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

Result<RefPtr<FileSystem>> NewTmpfsFrom(Task& task, std::string_view data) {
  TmpfsOptions options;
  options.uid = task.creds()->fsuid;
  options.gid = task.creds()->fsgid;
  TRY(ParseTmpfsOptions(data, &options));
  return NewTmpfs(task.kernel().backing(), options);
}

Result<RefPtr<FileSystem>> NewFileSystem(Task& task, std::string_view type, std::string_view data) {
  if (type == "tmpfs" || type == "ramfs") return NewTmpfsFrom(task, data);
  if (type == "proc") return NewProcfs(task.kernel(), task.thread_group().pid_ns);
  if (type == "sysfs") return NewSysfs(task.kernel());
  if (type == "devpts") return RefPtr<FileSystem>(Devpts::New(TRY(ParseDevptsOptions(data))));
  if (type == "mqueue") return RefPtr<FileSystem>(MqueuesOf(task));
  return Errno(ENODEV);
}

// Exactly one kind.
SyscallResult ChangePropagation(Task& task, const Path& target, uint64_t flags) {
  const uint64_t kind = flags & kPropagation;
  if ((flags & ~(kPropagation | MS_REC | MS_SILENT)) || (kind & (kind - 1))) return Errno(EINVAL);
  TRY(task.vfs().SetPropagation(target, kind, flags & MS_REC));
  return 0;
}

SyscallResult Move(Task& task, GuestAddr source, const Path& target) {
  const Path from = TRY(LookupAt(task, AT_FDCWD, source, 0));
  TRY(task.vfs().MoveMount(from, target));
  return 0;
}

// Over the namespace whose mounts the caller sees.
bool MayMount(const Task& task) {
  const NamespaceSetRef set = NamespacesOf(task);
  return task.creds()->HasIn(set->mounts ? set->mounts->owner().get() : nullptr, CAP_SYS_ADMIN);
}

SyscallResult Bind(Task& task, GuestAddr source, const Path& target, uint64_t flags) {
  const Path from = TRY(LookupAt(task, AT_FDCWD, source, 0));
  TRY(task.vfs().BindMount(from, target, from.mount->flags() | (flags & MS_REC)));
  return 0;
}

Result<std::string> CopyInOptional(Task& task, GuestAddr addr) {
  if (addr == 0) return std::string();
  return task.CopyInString(addr, 4096);
}

// Others see the filesystem too, in namespaces the caller has no rights over. Which made it is not known, so one that
// is not the first may not change its own either.
Result<void> CheckMayChangeFileSystem(const Task& task) {
  return task.creds()->HasIn(nullptr, CAP_SYS_ADMIN) ? Result<void>() : Errno(EPERM);
}

// With MS_BIND only the mount changes, else its filesystem too, as far as that has something to change.
SyscallResult Remount(Task& task, const Path& target, uint64_t flags, const std::string& data) {
  if (target.dentry != target.mount->root()) return Errno(EINVAL);
  FileSystem& fs = *target.mount->fs();
  Devpts* const devpts = Devpts::From(fs);
  const bool resizes = !data.empty() && fs.type() == "tmpfs";
  if (!(flags & MS_BIND) && (resizes || devpts != nullptr)) {
    TRY(CheckMayChangeFileSystem(task));
    if (resizes) TRY(RemountTmpfs(fs, data));
    if (devpts != nullptr) devpts->Change(TRY(ParseDevptsOptions(data)));
  }
  if (!(flags & kAtimeFlags)) flags |= target.mount->flags() & kAtimeFlags;  // nothing asked for: as it was
  TRY(task.vfs().Remount(target, flags & kMountFlags));
  return 0;
}

}  // namespace

// mount(2)
SyscallResult SysMount(Task& task, GuestAddr source_addr, GuestAddr target_addr, GuestAddr type_addr, uint64_t flags,
                       GuestAddr data_addr) {
  const std::string type = TRY(CopyInOptional(task, type_addr));
  if ((flags & kMagicMask) == kMagic) flags &= ~kMagicMask;
  const Path target = TRY(LookupAt(task, AT_FDCWD, target_addr, 0));
  if (!MayMount(task)) return Errno(EPERM);
  if (flags & MS_REMOUNT) return Remount(task, target, flags, TRY(CopyInOptional(task, data_addr)));
  if (flags & MS_BIND) return Bind(task, source_addr, target, flags);
  if (flags & kPropagation) return ChangePropagation(task, target, flags);
  if (flags & MS_MOVE) return Move(task, source_addr, target);
  if (type_addr == 0) return Errno(EINVAL);
  const std::string data = TRY(CopyInOptional(task, data_addr));
  const std::string source = TRY(CopyInOptional(task, source_addr));
  RefPtr<FileSystem> fs = TRY(NewFileSystem(task, type, data));
  TRY(task.vfs().MountAt(std::move(fs), target, flags & kMountFlags, source.empty() ? "none" : source));
  return 0;
}

// umount2: umount(2)
SyscallResult SysUmount2(Task& task, GuestAddr target, int flags) {
  constexpr int kNoFollow = 8;  // UMOUNT_NOFOLLOW
  if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | kNoFollow)) return Errno(EINVAL);
  const Path path = TRY(LookupAt(task, AT_FDCWD, target, flags & kNoFollow ? AT_SYMLINK_NOFOLLOW : 0));
  if (path.dentry != path.mount->root()) return Errno(EINVAL);
  if (!MayMount(task)) return Errno(EPERM);
  if (flags & MNT_EXPIRE) return Errno(EINVAL);
  TRY(task.vfs().Unmount(path, flags));
  return 0;
}

}  // namespace runsc
