// Sizes, space and durability of files: truncate(2), fallocate(2), fsync(2), sync(2), posix_fadvise(2).
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "sentry/kernel/task.h"
#include "sentry/vfs/notify.h"
#include "syscalls/copy_path.h"
#include "syscalls/file_limit.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr int kWriteZeroes = 0x80;  // FALLOC_FL_WRITE_ZEROES: for the block devices that can

// RLIMIT_FSIZE bounds growth only: what is too long already may stay so.
Result<void> CheckGrowth(Task& task, const Attr& file, int64_t size) {
  const auto wanted = static_cast<uint64_t>(size);
  if (wanted <= file.size || wanted <= task.rlimit(RLIMIT_FSIZE)) return {};
  return FileTooLarge(task);
}

SyscallResult SyncFd(Task& task, int fd, bool data_only) {
  TRY(TRY(task.fds().GetForIo(fd))->Sync(data_only));
  return 0;
}

}  // namespace

Errno FileTooLarge(Task& task) {
  if (task.rlimit(RLIMIT_FSIZE) != RLIM_INFINITY) {
    siginfo_t info = {};
    info.si_signo = SIGXFSZ;
    info.si_code = SI_KERNEL;
    (void)task.SendSignal(info);
  }
  return Errno(EFBIG);
}

// truncate(2)
SyscallResult SysTruncate(Task& task, GuestAddr path, int64_t size) {
  if (size < 0) return Errno(EINVAL);
  const Path found = TRY(LookupAt(task, AT_FDCWD, path, 0));
  if (found.dentry->IsRegular()) {  // else Truncate says what is wrong
    TRY(task.vfs().CheckAccess(*task.creds(), found, W_OK));
    TRY(CheckGrowth(task, TRY(found.dentry->inode()->GetAttr()), size));
  }
  TRY(task.vfs().Truncate(task.resolver(), found, static_cast<uint64_t>(size)));
  return 0;
}

// ftruncate(2)
SyscallResult SysFtruncate(Task& task, int fd, int64_t size) {
  if (size < 0) return Errno(EINVAL);
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  const Attr attr = TRY(file->GetAttr());
  if (!file->writable() || !attr.IsRegular()) return Errno(EINVAL);
  TRY(CheckGrowth(task, attr, size));
  TRY(file->Truncate(static_cast<uint64_t>(size)));
  if (file->path()) notify::Both(*file->path().dentry, IN_MODIFY);
  return 0;
}

// fallocate(2)
SyscallResult SysFallocate(Task& task, int fd, int mode, int64_t offset, int64_t length) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (offset < 0 || length <= 0) return Errno(EINVAL);
  constexpr int kKnown = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE |
                         FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE | kWriteZeroes;
  if (mode & ~kKnown) return Errno(EOPNOTSUPP);
  if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE)) return Errno(EOPNOTSUPP);
  if (!file->writable()) return Errno(EBADF);
  const Attr attr = TRY(file->GetAttr());
  if (S_ISFIFO(attr.mode)) return Errno(ESPIPE);
  if (attr.IsDir()) return Errno(EISDIR);
  if (!attr.IsRegular()) return Errno(ENODEV);
  int64_t end;
  if (__builtin_add_overflow(offset, length, &end)) return Errno(EFBIG);
  if (mode & kWriteZeroes) return Errno(EOPNOTSUPP);
  if (mode == 0) TRY(CheckGrowth(task, attr, end));
  TRY(file->Allocate(mode, offset, length));
  if (file->path()) notify::Both(*file->path().dentry, IN_MODIFY);
  return 0;
}

// fsync(2)
SyscallResult SysFsync(Task& task, int fd) { return SyncFd(task, fd, false); }

// fdatasync(2)
SyscallResult SysFdatasync(Task& task, int fd) { return SyncFd(task, fd, true); }

// sync(2)
SyscallResult SysSync(Task& task) {
  task.vfs().SyncAll();
  return 0;
}

// syncfs(2)
SyscallResult SysSyncfs(Task& task, int fd) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (file->path()) TRY(file->path().mount->fs()->Sync());
  return 0;
}

// sync_file_range(2): does more than asked, the whole file.
SyscallResult SysSyncFileRange(Task& task, int fd, int64_t offset, int64_t length, uint32_t flags) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (flags & ~uint32_t{SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER}) {
    return Errno(EINVAL);
  }
  int64_t end;
  if (offset < 0 || length < 0 || __builtin_add_overflow(offset, length, &end)) return Errno(EINVAL);
  const Attr attr = TRY(file->GetAttr());
  if (!attr.IsRegular() && !attr.IsDir() && !attr.IsSymlink() && !S_ISBLK(attr.mode)) return Errno(ESPIPE);
  TRY(file->Sync(true));
  return 0;
}

// fadvise64: posix_fadvise(2). Advice that nobody takes is still valid advice.
SyscallResult SysFadvise64(Task& task, int fd, int64_t offset, int64_t length, int advice) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  const Result<Attr> attr = file->GetAttr();
  if (attr.ok() && S_ISFIFO(attr->mode)) return Errno(ESPIPE);
  if (length < 0 || advice < POSIX_FADV_NORMAL || advice > POSIX_FADV_NOREUSE) return Errno(EINVAL);
  return 0;
}

// readahead(2): the host reads ahead on its own.
SyscallResult SysReadahead(Task& task, int fd, int64_t offset, uint64_t count) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (!file->readable()) return Errno(EBADF);
  if (!TRY(file->GetAttr()).IsRegular() || count > INT64_MAX) return Errno(EINVAL);
  return 0;
}

}  // namespace runsc
