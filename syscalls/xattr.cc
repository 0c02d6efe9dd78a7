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

// What has attributes: an inode, found by a path or not.
struct Target {
  RefPtr<Inode> inode;
  Path path;  // empty for pipes, sockets and the like
};

// The rules of xattr(7), by the prefix of the name; which prefixes are known comes last.
Result<void> CheckName(Task& task, const Target& target, std::string_view name, bool write) {
  const Attr attr = TRY(target.inode->GetAttr());
  const Credentials& creds = *task.creds();
  if (write && target.path) TRY(Vfs::CheckWritable(target.path));
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
  const bool user = name.starts_with("user.");
  if (user && !attr.IsRegular() && !attr.IsDir()) return write ? Errno(EPERM) : Errno(ENODATA);
  if (user && write && attr.IsDir() && (attr.mode & S_ISVTX) && !OwnsOrCapable(creds, attr)) return Errno(EPERM);
  TRY(CheckInode(creds, *target.inode, attr, write ? W_OK : R_OK));
  return user ? Result<void>() : Errno(EOPNOTSUPP);
}

Result<std::string> CopyInName(Task& task, GuestAddr addr) {
  Result<std::string> name = task.CopyInString(addr, XATTR_NAME_MAX + 1);
  if (!name.ok()) return name.error() == Errno(ENAMETOOLONG) ? Errno(ERANGE) : name.error();
  if (name->empty()) return Errno(ERANGE);
  return name;
}

// How the caller names the file: looked up after the other arguments were copied in.
struct FileArg {
  enum Kind { kPath, kFd } kind;
  GuestAddr path = 0;
  int at_flags = 0;
  int fd = -1;

  static FileArg ByPath(GuestAddr path, int at_flags = 0) {
    return {.kind = kPath, .path = path, .at_flags = at_flags};
  }
  static FileArg ByFd(int fd) { return {.kind = kFd, .fd = fd}; }
};

Result<Target> Find(Task& task, const FileArg& arg) {
  if (arg.kind == FileArg::kPath) {
    Path path = TRY(LookupAt(task, AT_FDCWD, arg.path, arg.at_flags));
    RefPtr<Inode> inode = path.dentry->inode();
    return Target{std::move(inode), std::move(path)};
  }
  RefPtr<File> file = TRY(task.fds().GetForIo(arg.fd));
  RefPtr<Inode> inode = file->inode();
  if (!inode) return Errno(EOPNOTSUPP);
  return Target{std::move(inode), file->path()};
}

void TellChanged(const Target& target) {
  if (target.path) notify::Both(*target.path.dentry, IN_ATTRIB);
}

SyscallResult Set(Task& task, const FileArg& file, GuestAddr name_addr, GuestAddr value_addr, uint64_t size,
                  int flags) {
  if (flags & ~(XATTR_CREATE | XATTR_REPLACE)) return Errno(EINVAL);
  const std::string name = TRY(CopyInName(task, name_addr));
  if (size > XATTR_SIZE_MAX) return Errno(E2BIG);
  std::string value(size, '\0');
  TRY(task.CopyIn(value_addr, value.data(), size));
  const Target target = TRY(Find(task, file));
  TRY(CheckName(task, target, name, true));
  TRY(CheckNotFrozen(*target.inode));
  TRY(IsAclName(name) ? SetAcl(*task.creds(), *target.inode, name, value) : target.inode->SetXattr(name, value, flags));
  TellChanged(target);
  return 0;
}

// Size 0 asks how large a buffer would have to be.
SyscallResult CopyOutSized(Task& task, const std::string& bytes, GuestAddr buf, uint64_t size) {
  if (size == 0) return static_cast<int64_t>(bytes.size());
  if (bytes.size() > size) return Errno(ERANGE);
  TRY(task.CopyOut(buf, bytes.data(), bytes.size()));
  return static_cast<int64_t>(bytes.size());
}

SyscallResult Get(Task& task, const FileArg& file, GuestAddr name_addr, GuestAddr buf, uint64_t size) {
  const std::string name = TRY(CopyInName(task, name_addr));
  const Target target = TRY(Find(task, file));
  TRY(CheckName(task, target, name, false));
  return CopyOutSized(task, TRY(target.inode->GetXattr(name)), buf, size);
}

SyscallResult List(Task& task, const FileArg& file, GuestAddr buf, uint64_t size) {
  const Target target = TRY(Find(task, file));
  std::string all;
  for (const std::string& name : TRY(target.inode->ListXattr())) {
    if (name.starts_with("trusted.") && !task.creds()->Has(CAP_SYS_ADMIN)) continue;
    all.append(name).push_back('\0');
  }
  if (all.size() > XATTR_LIST_MAX) return Errno(E2BIG);
  return CopyOutSized(task, all, buf, size);
}

SyscallResult Remove(Task& task, const FileArg& file, GuestAddr name_addr) {
  const std::string name = TRY(CopyInName(task, name_addr));
  const Target target = TRY(Find(task, file));
  TRY(CheckName(task, target, name, true));
  TRY(CheckNotFrozen(*target.inode));
  TRY(IsAclName(name) ? SetAcl(*task.creds(), *target.inode, name, "") : target.inode->RemoveXattr(name));
  TellChanged(target);
  return 0;
}

}  // namespace

// setxattr(2)
SyscallResult SysSetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value, uint64_t size, int flags) {
  return Set(task, FileArg::ByPath(path), name, value, size, flags);
}

// lsetxattr(2)
SyscallResult SysLsetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value, uint64_t size, int flags) {
  return Set(task, FileArg::ByPath(path, AT_SYMLINK_NOFOLLOW), name, value, size, flags);
}

// fsetxattr(2)
SyscallResult SysFsetxattr(Task& task, int fd, GuestAddr name, GuestAddr value, uint64_t size, int flags) {
  return Set(task, FileArg::ByFd(fd), name, value, size, flags);
}

// getxattr(2)
SyscallResult SysGetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value, uint64_t size) {
  return Get(task, FileArg::ByPath(path), name, value, size);
}

// lgetxattr(2)
SyscallResult SysLgetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value, uint64_t size) {
  return Get(task, FileArg::ByPath(path, AT_SYMLINK_NOFOLLOW), name, value, size);
}

// fgetxattr(2)
SyscallResult SysFgetxattr(Task& task, int fd, GuestAddr name, GuestAddr value, uint64_t size) {
  return Get(task, FileArg::ByFd(fd), name, value, size);
}

// listxattr(2)
SyscallResult SysListxattr(Task& task, GuestAddr path, GuestAddr list, uint64_t size) {
  return List(task, FileArg::ByPath(path), list, size);
}

// llistxattr(2)
SyscallResult SysLlistxattr(Task& task, GuestAddr path, GuestAddr list, uint64_t size) {
  return List(task, FileArg::ByPath(path, AT_SYMLINK_NOFOLLOW), list, size);
}

// flistxattr(2)
SyscallResult SysFlistxattr(Task& task, int fd, GuestAddr list, uint64_t size) {
  return List(task, FileArg::ByFd(fd), list, size);
}

// removexattr(2)
SyscallResult SysRemovexattr(Task& task, GuestAddr path, GuestAddr name) {
  return Remove(task, FileArg::ByPath(path), name);
}

// lremovexattr(2)
SyscallResult SysLremovexattr(Task& task, GuestAddr path, GuestAddr name) {
  return Remove(task, FileArg::ByPath(path, AT_SYMLINK_NOFOLLOW), name);
}

// fremovexattr(2)
SyscallResult SysFremovexattr(Task& task, int fd, GuestAddr name) { return Remove(task, FileArg::ByFd(fd), name); }

}  // namespace runsc
