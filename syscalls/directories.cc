// Names and directories: mkdir(2), rmdir(2), unlink(2), rename(2), link(2), symlink(2), mknod(2),
// readlink(2), getdents(2), getcwd(2), chdir(2), chroot(2).
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <vector>

#include "sentry/kernel/task.h"
#include "sentry/vfs/notify.h"
#include "syscalls/copy_path.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

SyscallResult Done(Result<void> result) {
  if (!result.ok()) return result.error();
  return 0;
}

SyscallResult MkdirAt(Task& task, int dirfd, GuestAddr path, uint32_t mode) {
  const PathArg arg = TRY(CopyInPathAt(task, dirfd, path));
  return Done(task.vfs().Mkdir(task.resolver(), arg.start, arg.text, mode));
}

// Kinds that mknod makes, judged before the path.
Result<void> CheckMknodType(uint32_t mode) {
  switch (mode & S_IFMT) {
    case 0:
    case S_IFREG:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      return {};
    default:
      return S_ISDIR(mode) ? Errno(EPERM) : Errno(EINVAL);
  }
}

SyscallResult MknodAt(Task& task, int dirfd, GuestAddr path, uint32_t mode, uint32_t dev) {
  TRY(CheckMknodType(mode));
  const PathArg arg = TRY(CopyInPathAt(task, dirfd, path));
  const uint32_t masked = mode & (S_IFMT | 07777);
  // Linux's 32-bit encoding of a device number is the low half of dev_t.
  return Done(task.vfs().Mknod(task.resolver(), arg.start, arg.text, masked, dev));
}

SyscallResult UnlinkAt(Task& task, int dirfd, GuestAddr path, bool directory) {
  const PathArg arg = TRY(CopyInPathAt(task, dirfd, path));
  return Done(directory ? task.vfs().Rmdir(task.resolver(), arg.start, arg.text)
                        : task.vfs().Unlink(task.resolver(), arg.start, arg.text));
}

SyscallResult RenameAt(Task& task, int old_dirfd, GuestAddr old_path, int new_dirfd, GuestAddr new_path,
                       uint32_t flags) {
  if (flags & ~uint32_t{RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT}) return Errno(EINVAL);
  if ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT))) return Errno(EINVAL);
  const PathArg from = TRY(CopyInPathAt(task, old_dirfd, old_path));
  const auto to = CopyInPathAt(task, new_dirfd, new_path);
  if (!to.ok()) {  // what is wrong with the way to the old name is said first
    TRY(task.vfs().CheckParent(task.resolver(), from.start, from.text));
    return to.error();
  }
  return Done(task.vfs().Rename(task.resolver(), from.start, from.text, to->start, to->text, flags));
}

SyscallResult LinkAt(Task& task, int old_dirfd, GuestAddr old_path, int new_dirfd, GuestAddr new_path, int flags) {
  const int at_flags = (flags & AT_EMPTY_PATH) | (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW);
  const Path old = TRY(LookupAt(task, old_dirfd, old_path, at_flags));
  const PathArg to = TRY(CopyInPathAt(task, new_dirfd, new_path));
  return Done(task.vfs().Link(task.resolver(), old, to.start, to.text));
}

// An empty path may only link what one could name: one's own files, or with the capability any.
Result<void> CheckLinkByDescriptor(Task& task, int fd, GuestAddr path) {
  if (fd == AT_FDCWD || task.creds()->Has(CAP_DAC_READ_SEARCH) || !TRY(task.CopyInPath(path)).empty()) return {};
  const Attr attr = TRY(TRY(task.fds().Get(fd))->GetAttr());
  return attr.uid == task.creds()->fsuid ? Result<void>() : Errno(ENOENT);
}

SyscallResult SymlinkAt(Task& task, GuestAddr target_addr, int dirfd, GuestAddr path) {
  const std::string target = TRY(task.CopyInPath(target_addr));
  if (target.empty()) return Errno(ENOENT);
  const PathArg arg = TRY(CopyInPathAt(task, dirfd, path));
  return Done(task.vfs().Symlink(task.resolver(), target, arg.start, arg.text));
}

// The text is cut at the size of the buffer, without a NUL.
SyscallResult ReadlinkAt(Task& task, int dirfd, GuestAddr path, GuestAddr buf, int size) {
  if (size <= 0) return Errno(EINVAL);
  const std::string text = TRY(task.CopyInPath(path));
  const auto start = StartOf(task, dirfd, text);
  if (!start.ok()) return text.empty() && start.error() == Errno(ENOTDIR) ? Errno(ENOENT) : start.error();
  const Path link = TRY(task.vfs().Lookup(task.resolver(), *start, text, Vfs::kNoFollow | Vfs::kEmptyPath));
  Result<std::string> target = task.vfs().Readlink(task.resolver(), link);
  if (!target.ok()) return text.empty() && target.error() == Errno(EINVAL) ? Errno(ENOENT) : target.error();
  const size_t n = std::min(target->size(), static_cast<size_t>(size));
  TRY(task.CopyOut(buf, target->data(), n));
  return static_cast<int64_t>(n);
}

// Collects entries in the layout of linux_dirent64 or of the older linux_dirent, which keeps the type
// in the record's last byte.
class DirentWriter {
 public:
  DirentWriter(size_t capacity, bool is64) : capacity_(capacity), is64_(is64) {}

  // False when it does not fit any more.
  bool Add(const DirEntry& entry) {
    const size_t header = is64_ ? 19 : 18;
    const size_t length = (header + entry.name.size() + 1 + (is64_ ? 0 : 1) + 7) & ~size_t{7};
    if (bytes_.size() + length > capacity_) {
      too_small_ = bytes_.empty();
      return false;
    }
    const size_t at = bytes_.size();
    bytes_.resize(at + length);
    char* record = bytes_.data() + at;
    const auto record_length = static_cast<uint16_t>(length);
    memcpy(record, &entry.ino, 8);
    memcpy(record + 8, &entry.next_offset, 8);
    memcpy(record + 16, &record_length, 2);
    if (is64_) record[18] = static_cast<char>(entry.type);
    memcpy(record + header, entry.name.data(), entry.name.size());
    if (!is64_) record[length - 1] = static_cast<char>(entry.type);
    return true;
  }

  const std::vector<char>& bytes() const { return bytes_; }
  bool too_small() const { return too_small_; }

 private:
  const size_t capacity_;
  const bool is64_;
  bool too_small_ = false;
  std::vector<char> bytes_;
};

// However large a buffer the guest offers, one call hands out this much.
constexpr uint32_t kMaxDirentBytes = 256 * 1024;

SyscallResult GetDents(Task& task, int fd, GuestAddr buf, uint32_t size, bool is64) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  Result<Attr> attr = file->GetAttr();
  if (!attr.ok() || !attr->IsDir()) return Errno(ENOTDIR);
  const int64_t before = file->offset_for_fdinfo();
  DirentWriter writer(std::min(size, kMaxDirentBytes), is64);
  TRY(file->Readdir(task, [&](const DirEntry& entry) { return writer.Add(entry); }));
  if (writer.too_small()) return Errno(EINVAL);
  Result<void> copied = task.CopyOut(buf, writer.bytes().data(), writer.bytes().size());
  if (!copied.ok()) {
    (void)file->Seek(task, before, SEEK_SET);
    return copied.error();
  }
  if (file->path()) notify::Self(*file->path().dentry->inode(), true, IN_ACCESS);
  return static_cast<int64_t>(writer.bytes().size());
}

Result<Path> SearchableDir(Task& task, Path path) {
  if (!path || !path.dentry->IsDir()) return Errno(ENOTDIR);
  TRY(task.vfs().CheckAccess(*task.creds(), path, X_OK));
  return path;
}

}  // namespace

// mkdir(2)
SyscallResult SysMkdir(Task& task, GuestAddr path, uint32_t mode) { return MkdirAt(task, AT_FDCWD, path, mode); }

// mkdirat(2)
SyscallResult SysMkdirat(Task& task, int dirfd, GuestAddr path, uint32_t mode) {
  return MkdirAt(task, dirfd, path, mode);
}

// rmdir(2)
SyscallResult SysRmdir(Task& task, GuestAddr path) { return UnlinkAt(task, AT_FDCWD, path, true); }

// unlink(2)
SyscallResult SysUnlink(Task& task, GuestAddr path) { return UnlinkAt(task, AT_FDCWD, path, false); }

// unlinkat(2)
SyscallResult SysUnlinkat(Task& task, int dirfd, GuestAddr path, int flags) {
  if (flags & ~AT_REMOVEDIR) return Errno(EINVAL);
  return UnlinkAt(task, dirfd, path, flags & AT_REMOVEDIR);
}

// rename(2)
SyscallResult SysRename(Task& task, GuestAddr old_path, GuestAddr new_path) {
  return RenameAt(task, AT_FDCWD, old_path, AT_FDCWD, new_path, 0);
}

// renameat(2)
SyscallResult SysRenameat(Task& task, int old_dirfd, GuestAddr old_path, int new_dirfd, GuestAddr new_path) {
  return RenameAt(task, old_dirfd, old_path, new_dirfd, new_path, 0);
}

// renameat2(2)
SyscallResult SysRenameat2(Task& task, int old_dirfd, GuestAddr old_path, int new_dirfd, GuestAddr new_path,
                           uint32_t flags) {
  return RenameAt(task, old_dirfd, old_path, new_dirfd, new_path, flags);
}

// link(2)
SyscallResult SysLink(Task& task, GuestAddr old_path, GuestAddr new_path) {
  return LinkAt(task, AT_FDCWD, old_path, AT_FDCWD, new_path, 0);
}

// linkat(2)
SyscallResult SysLinkat(Task& task, int old_dirfd, GuestAddr old_path, int new_dirfd, GuestAddr new_path, int flags) {
  if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return Errno(EINVAL);
  if (flags & AT_EMPTY_PATH) TRY(CheckLinkByDescriptor(task, old_dirfd, old_path));
  return LinkAt(task, old_dirfd, old_path, new_dirfd, new_path, flags);
}

// symlink(2)
SyscallResult SysSymlink(Task& task, GuestAddr target, GuestAddr path) {
  return SymlinkAt(task, target, AT_FDCWD, path);
}

// symlinkat(2)
SyscallResult SysSymlinkat(Task& task, GuestAddr target, int dirfd, GuestAddr path) {
  return SymlinkAt(task, target, dirfd, path);
}

// readlink(2)
SyscallResult SysReadlink(Task& task, GuestAddr path, GuestAddr buf, int size) {
  return ReadlinkAt(task, AT_FDCWD, path, buf, size);
}

// readlinkat(2)
SyscallResult SysReadlinkat(Task& task, int dirfd, GuestAddr path, GuestAddr buf, int size) {
  return ReadlinkAt(task, dirfd, path, buf, size);
}

// mknod(2)
SyscallResult SysMknod(Task& task, GuestAddr path, uint32_t mode, uint32_t dev) {
  return MknodAt(task, AT_FDCWD, path, mode, dev);
}

// mknodat(2)
SyscallResult SysMknodat(Task& task, int dirfd, GuestAddr path, uint32_t mode, uint32_t dev) {
  return MknodAt(task, dirfd, path, mode, dev);
}

// getdents(2)
SyscallResult SysGetdents(Task& task, int fd, GuestAddr buf, uint32_t size) {
  return GetDents(task, fd, buf, size, false);
}

// getdents64: getdents(2)
SyscallResult SysGetdents64(Task& task, int fd, GuestAddr buf, uint32_t size) {
  return GetDents(task, fd, buf, size, true);
}

// getcwd(2): the length with the NUL.
SyscallResult SysGetcwd(Task& task, GuestAddr buf, uint64_t size) {
  const Path cwd = task.fs().cwd();
  if (cwd.dentry->unlinked()) return Errno(ENOENT);
  const std::string name = task.vfs().PathName(cwd, task.fs().root());
  const size_t length = name.size() + 1;
  if (length > PATH_MAX) return Errno(ENAMETOOLONG);
  if (length > size) return Errno(ERANGE);
  TRY(task.CopyOut(buf, name.c_str(), length));
  return static_cast<int64_t>(length);
}

// chdir(2)
SyscallResult SysChdir(Task& task, GuestAddr path) {
  task.fs().set_cwd(TRY(SearchableDir(task, TRY(LookupAt(task, AT_FDCWD, path, 0)))));
  return 0;
}

// fchdir(2)
SyscallResult SysFchdir(Task& task, int fd) {
  task.fs().set_cwd(TRY(SearchableDir(task, TRY(task.fds().Get(fd))->path())));
  return 0;
}

// chroot(2)
SyscallResult SysChroot(Task& task, GuestAddr path) {
  Path root = TRY(SearchableDir(task, TRY(LookupAt(task, AT_FDCWD, path, 0))));
  if (!task.creds()->HasOwn(CAP_SYS_CHROOT)) return Errno(EPERM);
  task.fs().set_root(std::move(root));
  return 0;
}

}  // namespace runsc
