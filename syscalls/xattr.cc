// Extended attributes: setxattr(2), getxattr(2), listxattr(2), removexattr(2) and their l and f forms.
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <linux/xattr.h>
#include <unistd.h>

#include "sentry/kernel/task.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/permission.h"
#include "sentry/vfs/posix_acl.h"
#include "syscalls/copy_path.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

// The names and rules of xattr(7), by prefix.
Result<void> CheckName(Task& task, const Path& path, std::string_view name, bool write) {
  const Attr attr = TRY(path.dentry->inode()->GetAttr());
  const Credentials& creds = *task.creds();
  if (write) TRY(Vfs::CheckWritable(path));
  if (name.starts_with("trusted.")) {
    if (creds.Has(CAP_SYS_ADMIN)) return {};
    return write ? Errno(EPERM) : Errno(ENODATA);
  }
  if (name.starts_with("security.")) {
    if (!write) return {};
    const bool file_caps = name == "security.capability";
    return creds.Has(file_caps ? CAP_SETFCAP : CAP_SYS_ADMIN) ? Result<void>() : Errno(EPERM);
  }
  if (IsAclName(name)) return attr.IsSymlink() ? Errno(EOPNOTSUPP) : Result<void>();
  if (!name.starts_with("user.")) return Errno(EOPNOTSUPP);
  if (!attr.IsRegular() && !attr.IsDir()) return write ? Errno(EPERM) : Errno(ENODATA);
  if (write && attr.IsDir() && (attr.mode & S_ISVTX) && !OwnsOrCapable(creds, attr)) return Errno(EPERM);
  return CheckInode(creds, *path.dentry->inode(), attr, write ? W_OK : R_OK);
}

Result<std::string> CopyInName(Task& task, GuestAddr addr) {
  Result<std::string> name = task.CopyInString(addr, XATTR_NAME_MAX + 1);
  if (!name.ok()) return name.error() == Errno(ENAMETOOLONG) ? Errno(ERANGE) : name.error();
  if (name->empty()) return Errno(ERANGE);
  return name;
}

Result<Path> PathOfFd(Task& task, int fd) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (!file->path()) return Errno(EOPNOTSUPP);
  return file->path();
}

SyscallResult Set(Task& task, const Path& path, GuestAddr name_addr, GuestAddr value_addr, uint64_t size,
                  int flags) {
  if (flags & ~(XATTR_CREATE | XATTR_REPLACE)) return Errno(EINVAL);
  const std::string name = TRY(CopyInName(task, name_addr));
  if (size > XATTR_SIZE_MAX) return Errno(E2BIG);
  std::string value(size, '\0');
  TRY(task.CopyIn(value_addr, value.data(), size));
  TRY(CheckName(task, path, name, true));
  Inode& inode = *path.dentry->inode();
  TRY(CheckNotFrozen(inode));
  TRY(IsAclName(name) ? SetAcl(*task.creds(), inode, name, value) : inode.SetXattr(name, value, flags));
  notify::Both(*path.dentry, IN_ATTRIB);
  return 0;
}

// Size 0 asks how large a buffer would have to be.
SyscallResult CopyOutSized(Task& task, const std::string& bytes, GuestAddr buf, uint64_t size) {
  if (size == 0) return static_cast<int64_t>(bytes.size());
  if (bytes.size() > size) return Errno(ERANGE);
  TRY(task.CopyOut(buf, bytes.data(), bytes.size()));
  return static_cast<int64_t>(bytes.size());
}

SyscallResult Get(Task& task, const Path& path, GuestAddr name_addr, GuestAddr buf, uint64_t size) {
  const std::string name = TRY(CopyInName(task, name_addr));
  TRY(CheckName(task, path, name, false));
  return CopyOutSized(task, TRY(path.dentry->inode()->GetXattr(name)), buf, size);
}

SyscallResult List(Task& task, const Path& path, GuestAddr buf, uint64_t size) {
  std::string all;
  for (const std::string& name : TRY(path.dentry->inode()->ListXattr())) {
    if (name.starts_with("trusted.") && !task.creds()->Has(CAP_SYS_ADMIN)) continue;
    all.append(name).push_back('\0');
  }
  if (all.size() > XATTR_LIST_MAX) return Errno(E2BIG);
  return CopyOutSized(task, all, buf, size);
}

SyscallResult Remove(Task& task, const Path& path, GuestAddr name_addr) {
  const std::string name = TRY(CopyInName(task, name_addr));
  TRY(CheckName(task, path, name, true));
  Inode& inode = *path.dentry->inode();
  TRY(CheckNotFrozen(inode));
  TRY(IsAclName(name) ? SetAcl(*task.creds(), inode, name, "") : inode.RemoveXattr(name));
  notify::Both(*path.dentry, IN_ATTRIB);
  return 0;
}

Result<Path> Find(Task& task, GuestAddr path, int at_flags) {
  return LookupAt(task, AT_FDCWD, path, at_flags);
}

}  // namespace

// setxattr(2)
SyscallResult SysSetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value, uint64_t size, int flags) {
  return Set(task, TRY(Find(task, path, 0)), name, value, size, flags);
}

// lsetxattr(2)
SyscallResult SysLsetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value, uint64_t size, int flags) {
  return Set(task, TRY(Find(task, path, AT_SYMLINK_NOFOLLOW)), name, value, size, flags);
}

// fsetxattr(2)
SyscallResult SysFsetxattr(Task& task, int fd, GuestAddr name, GuestAddr value, uint64_t size, int flags) {
  return Set(task, TRY(PathOfFd(task, fd)), name, value, size, flags);
}

// getxattr(2)
SyscallResult SysGetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value, uint64_t size) {
  return Get(task, TRY(Find(task, path, 0)), name, value, size);
}

// lgetxattr(2)
SyscallResult SysLgetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value, uint64_t size) {
  return Get(task, TRY(Find(task, path, AT_SYMLINK_NOFOLLOW)), name, value, size);
}

// fgetxattr(2)
SyscallResult SysFgetxattr(Task& task, int fd, GuestAddr name, GuestAddr value, uint64_t size) {
  return Get(task, TRY(PathOfFd(task, fd)), name, value, size);
}

// listxattr(2)
SyscallResult SysListxattr(Task& task, GuestAddr path, GuestAddr list, uint64_t size) {
  return List(task, TRY(Find(task, path, 0)), list, size);
}

// llistxattr(2)
SyscallResult SysLlistxattr(Task& task, GuestAddr path, GuestAddr list, uint64_t size) {
  return List(task, TRY(Find(task, path, AT_SYMLINK_NOFOLLOW)), list, size);
}

// flistxattr(2)
SyscallResult SysFlistxattr(Task& task, int fd, GuestAddr list, uint64_t size) {
  return List(task, TRY(PathOfFd(task, fd)), list, size);
}

// removexattr(2)
SyscallResult SysRemovexattr(Task& task, GuestAddr path, GuestAddr name) {
  return Remove(task, TRY(Find(task, path, 0)), name);
}

// lremovexattr(2)
SyscallResult SysLremovexattr(Task& task, GuestAddr path, GuestAddr name) {
  return Remove(task, TRY(Find(task, path, AT_SYMLINK_NOFOLLOW)), name);
}

// fremovexattr(2)
SyscallResult SysFremovexattr(Task& task, int fd, GuestAddr name) {
  return Remove(task, TRY(PathOfFd(task, fd)), name);
}

}  // namespace runsc
