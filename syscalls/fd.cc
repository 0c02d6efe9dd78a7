// Descriptors: dup(2), fcntl(2), ioctl(2), flock(2).
#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <unistd.h>

#include "sentry/fs/dnotify.h"
#include "sentry/fs/file_owner.h"
#include "sentry/fs/pipe.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/file_locks.h"
#include "sentry/vfs/permission.h"
#include "syscalls/fcntl_owner.h"
#include "syscalls/fd_util.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

SyscallResult DupTo(Task& task, int old_fd, int new_fd, bool cloexec) {
  RefPtr<File> file = TRY(task.fds().Get(old_fd));
  RefPtr<File> replaced = TRY(task.fds().InstallAt(new_fd, std::move(file), cloexec, task.rlimit(RLIMIT_NOFILE)));
  if (replaced) replaced->OnClose(&task);
  return new_fd;
}

SyscallResult DupFrom(Task& task, RefPtr<File> file, uint64_t minimum, bool cloexec) {
  if (minimum >= task.rlimit(RLIMIT_NOFILE)) return Errno(EINVAL);
  return InstallFd(task, std::move(file), cloexec, static_cast<int>(minimum));
}

// The position a lock's l_start counts from.
Result<int64_t> LockBase(Task& task, File& file, int whence) {
  switch (whence) {
    case SEEK_SET:
      return int64_t{0};
    case SEEK_CUR:
      return file.offset_for_fdinfo();
    case SEEK_END:
      return static_cast<int64_t>(TRY(file.GetAttr()).size);
    default:
      return Errno(EINVAL);
  }
}

Result<RangeLock> DecodeLock(Task& task, File& file, const struct flock& lock) {
  RangeLock range;
  const int64_t base = TRY(LockBase(task, file, lock.l_whence));
  int64_t start, end;
  if (__builtin_add_overflow(base, lock.l_start, &start)) return Errno(EOVERFLOW);
  if (start < 0) return Errno(EINVAL);
  if (lock.l_len > 0) {
    if (__builtin_add_overflow(start, lock.l_len - 1, &end)) return Errno(EOVERFLOW);
  } else if (lock.l_len < 0) {
    end = start - 1;
    start += lock.l_len;
    if (start < 0) return Errno(EINVAL);
  } else {
    end = INT64_MAX;
  }
  range.start = start;
  range.end = end;
  range.write = lock.l_type == F_WRLCK;
  return range;
}

// POSIX locks belong to the descriptor table, OFD locks to the description.
void SetOwner(Task& task, const File& file, bool ofd, RangeLock* range) {
  range->owner = ofd ? static_cast<LockOwner>(&file) : &task.fds();
  range->pid = ofd ? -1 : task.pid();
  range->file = &file;
}

Result<void> CheckLockAccess(const File& file, int type) {
  switch (type) {
    case F_RDLCK:
      return file.readable() ? Result<void>() : Errno(EBADF);
    case F_WRLCK:
      return file.writable() ? Result<void>() : Errno(EBADF);
    case F_UNLCK:
      return {};
    default:
      return Errno(EINVAL);
  }
}

// One attempt of a call that waits: for POSIX locks, a circle of waiters is refused.
Result<void> TryLock(FileLocks& locks, const RangeLock& range, bool ofd) {
  const Result<void> locked = locks.Lock(range);
  if (ofd || locked.ok() || !(locked.error() == Errno(EAGAIN))) return locked;
  RangeLock holder;
  if (!locks.Conflicting(range, &holder)) return locks.Lock(range);
  TRY(LockWaits::Begin(range.owner, holder.owner));
  return locked;
}

Result<void> WaitForLock(Task& task, FileLocks& locks, const RangeLock& range, bool ofd) {
  const Result<void> locked =
      BlockUntil(task, locks.queue(), EPOLLIN, kNever, [&] { return TryLock(locks, range, ofd); });
  if (!ofd) LockWaits::End(range.owner);
  return locked;
}

SyscallResult SetLock(Task& task, File& file, GuestAddr arg, bool ofd, bool wait) {
  const auto lock = TRY(task.CopyInObject<struct flock>(arg));
  if (ofd && lock.l_pid != 0) return Errno(EINVAL);
  RangeLock range = TRY(DecodeLock(task, file, lock));
  TRY(CheckLockAccess(file, lock.l_type));
  SetOwner(task, file, ofd, &range);
  RefPtr<Inode> inode = file.inode();
  if (!inode) return Errno(EBADF);
  FileLocks& locks = inode->locks();
  if (lock.l_type == F_UNLCK) {
    locks.Unlock(range.owner, range.start, range.end);
    return 0;
  }
  TRY(wait ? WaitForLock(task, locks, range, ofd) : locks.Lock(range));
  return 0;
}

// Who may take a lease: the file's owner.
Result<void> CheckLease(Task& task, File& file, int type) {
  if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK) return Errno(EINVAL);
  const Attr attr = TRY(file.GetAttr());
  if (attr.uid != task.creds()->fsuid && !task.creds()->Has(CAP_LEASE)) return Errno(EACCES);
  return attr.IsRegular() && file.path() ? Result<void>() : Errno(EINVAL);
}

SyscallResult LeaseCommand(Task& task, int fd, File& file, int command, int type) {
  if (command == F_GETLEASE) {
    RefPtr<Inode> inode = file.inode();
    FileLocks* locks = inode ? inode->locks_if_any() : nullptr;
    return locks != nullptr ? locks->LeaseOf(file) : F_UNLCK;
  }
  TRY(CheckLease(task, file, type));
  FileLocks& locks = file.inode()->locks();
  const CredentialsRef who = task.creds();
  TRY(locks.SetLease({.file = &file,
                      .type = type,
                      .target = type,
                      .pid = task.pid(),
                      .ruid = who->ruid,
                      .euid = who->euid,
                      .fd = fd}));
  return 0;
}

SyscallResult GetLock(Task& task, File& file, GuestAddr arg, bool ofd) {
  auto lock = TRY(task.CopyInObject<struct flock>(arg));
  if (ofd && lock.l_pid != 0) return Errno(EINVAL);
  const bool asks_own = ofd && lock.l_type == F_UNLCK;  // what the description holds itself
  const bool known = lock.l_type == F_RDLCK || lock.l_type == F_WRLCK || asks_own;
  if (!known && !ofd) return Errno(EINVAL);
  RangeLock range = TRY(DecodeLock(task, file, lock)), found;
  if (!known) return Errno(EINVAL);
  SetOwner(task, file, ofd, &range);
  RefPtr<Inode> inode = file.inode();
  if (!inode) return Errno(EBADF);
  if (!(asks_own ? inode->locks().Held(range, &found) : inode->locks().Conflicting(range, &found))) {
    lock.l_type = F_UNLCK;
  } else {
    lock.l_type = found.write ? F_WRLCK : F_RDLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = found.start;
    lock.l_len = found.end == INT64_MAX ? 0 : found.end - found.start + 1;
    lock.l_pid = found.pid > 0 ? PidToGuest(task, found.pid) : found.pid;
  }
  TRY(task.CopyOutObject(arg, lock));
  return 0;
}

SyscallResult SetFlags(Task& task, File& file, int fd, int flags) {
  if ((flags & O_NOATIME) && !(file.flags() & O_NOATIME)) {
    if (TRY(file.GetAttr()).uid != task.creds()->fsuid && !task.creds()->Has(CAP_FOWNER)) return Errno(EPERM);
  }
  const int old = file.flags();
  if ((flags & O_DIRECT) && file.pipe() == nullptr && !TRY(file.GetAttr()).IsRegular()) return Errno(EINVAL);
  TRY(file.SetStatusFlags(flags));
  if ((old ^ flags) & O_ASYNC) SetAsync(task.kernel(), file, fd, flags & O_ASYNC);
  return 0;
}

SyscallResult LockCommand(Task& task, File& file, int command, GuestAddr arg) {
  if (file.flags() & O_PATH) return Errno(EBADF);
  switch (command) {
    case F_GETLK:
    case F_OFD_GETLK:
      return GetLock(task, file, arg, command == F_OFD_GETLK);
    case F_SETLK:
    case F_SETLKW:
      return SetLock(task, file, arg, false, command == F_SETLKW);
    default:
      return SetLock(task, file, arg, true, command == F_OFD_SETLKW);
  }
}

// An unprivileged user may not go beyond /proc/sys/fs/pipe-max-size.
SyscallResult PipeSizeCommand(Task& task, File& file, int command, uint64_t arg) {
  Pipe* pipe = file.pipe();
  if (pipe == nullptr) return Errno(EBADF);
  if (command == F_GETPIPE_SZ) return static_cast<int64_t>(pipe->capacity());
  const auto size = static_cast<uint32_t>(arg);
  if (size > (1u << 31)) return Errno(EINVAL);
  if (size > Pipe::kMaxCapacity) return task.creds()->Has(CAP_SYS_RESOURCE) ? Errno(ENOMEM) : Errno(EPERM);
  return static_cast<int64_t>(TRY(pipe->SetCapacity(size)));
}

// O_PATH descriptors only know these.
bool WorksOnPathFiles(int command) {
  return command == F_DUPFD || command == F_DUPFD_CLOEXEC || command == F_GETFD || command == F_SETFD ||
         command == F_GETFL;
}

SyscallResult Fcntl(Task& task, int fd, const RefPtr<File>& file, int command, uint64_t arg) {
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return DupFrom(task, file, static_cast<uint32_t>(arg), command == F_DUPFD_CLOEXEC);
    case F_GETFD:
      return TRY(task.fds().GetCloexec(fd)) ? FD_CLOEXEC : 0;
    case F_SETFD:
      TRY(task.fds().SetCloexec(fd, arg & FD_CLOEXEC));
      return 0;
    case F_GETFL:
      return file->flags();
    case F_SETFL:
      return SetFlags(task, *file, fd, static_cast<int>(arg));
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return LockCommand(task, *file, command, arg);
    case F_GETPIPE_SZ:
    case F_SETPIPE_SZ:
      return PipeSizeCommand(task, *file, command, arg);
    case F_GET_SEALS:
      return int64_t{TRY(file->GetSeals())};
    case F_ADD_SEALS:
      if (!file->writable()) return Errno(EPERM);
      TRY(file->AddSeals(static_cast<int>(arg)));
      return 0;
    case F_SETOWN:
    case F_GETOWN:
    case F_SETOWN_EX:
    case F_GETOWN_EX:
    case F_SETSIG:
    case F_GETSIG:
      return OwnerCommand(task, *file, command, arg);
    case F_GETLEASE:
    case F_SETLEASE:
      return LeaseCommand(task, fd, *file, command, static_cast<int>(arg));
    case F_NOTIFY:
      TRY(NotifyOfDirectory(task, *file, fd, static_cast<uint32_t>(arg)));
      return 0;
    default:
      return Errno(EINVAL);
  }
}

// FS_IOC_SETFLAGS: the owner's, and what freezes a file needs a capability.
SyscallResult SetFileFlags(Task& task, File& file, uint32_t flags) {
  RefPtr<Inode> inode = file.inode();
  if (!inode || !file.path()) return Errno(ENOTTY);
  const uint32_t old = TRY(inode->GetFlags());
  TRY(Vfs::CheckWritable(file.path()));
  if (!OwnsOrCapable(*task.creds(), TRY(inode->GetAttr()))) return Errno(EPERM);
  const bool freezes = (old ^ flags) & (FS_IMMUTABLE_FL | FS_APPEND_FL);
  if (freezes && !task.creds()->Has(CAP_LINUX_IMMUTABLE)) return Errno(EPERM);
  TRY(inode->SetFlags(flags));
  return 0;
}

SyscallResult FlagsIoctl(Task& task, File& file, uint32_t request, GuestAddr arg) {
  RefPtr<Inode> inode = file.inode();
  if (!inode) return Errno(ENOTTY);
  if (request == FS_IOC_SETFLAGS) return SetFileFlags(task, file, TRY(task.CopyInObject<uint32_t>(arg)));
  TRY(task.CopyOutObject(arg, TRY(inode->GetFlags())));
  return 0;
}

// FIONREAD of a regular file: what is left behind the offset.
SyscallResult BytesLeft(Task& task, File& file, const Attr& attr, GuestAddr arg) {
  const int64_t left = static_cast<int64_t>(attr.size) - file.offset_for_fdinfo();
  TRY(task.CopyOutObject(arg, static_cast<int>(left)));
  return 0;
}

}  // namespace

// dup(2)
SyscallResult SysDup(Task& task, int fd) { return InstallFd(task, TRY(task.fds().Get(fd)), false); }

// dup2(2)
SyscallResult SysDup2(Task& task, int old_fd, int new_fd) {
  if (old_fd == new_fd) {
    TRY(task.fds().Get(old_fd));
    return new_fd;
  }
  return DupTo(task, old_fd, new_fd, false);
}

// dup3(2)
SyscallResult SysDup3(Task& task, int old_fd, int new_fd, int flags) {
  if (flags & ~O_CLOEXEC) return Errno(EINVAL);
  if (old_fd == new_fd) return Errno(EINVAL);
  return DupTo(task, old_fd, new_fd, flags & O_CLOEXEC);
}

// fcntl(2)
SyscallResult SysFcntl(Task& task, int fd, int command, uint64_t arg) {
  RefPtr<File> file = TRY(task.fds().Get(fd));
  if ((file->flags() & O_PATH) && !WorksOnPathFiles(command)) return Errno(EBADF);
  return Fcntl(task, fd, file, command, arg);
}

// flock(2)
SyscallResult SysFlock(Task& task, int fd, int operation) {
  const int kind = operation & ~LOCK_NB;
  if (kind != LOCK_SH && kind != LOCK_EX && kind != LOCK_UN) return Errno(EINVAL);
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  RefPtr<Inode> inode = file->inode();
  if (!inode) return Errno(EBADF);
  FileLocks& locks = inode->locks();
  if (kind == LOCK_UN) {
    locks.Unflock(*file);
    return 0;
  }
  const auto attempt = [&] { return locks.Flock(*file, kind == LOCK_EX, task.pid()); };
  if (operation & LOCK_NB) {
    TRY(attempt());
  } else {
    TRY(BlockUntil(task, locks.queue(), EPOLLIN, kNever, attempt));
  }
  return 0;
}

// ioctl(2): what applies to every descriptor; the rest is the file's business.
SyscallResult SysIoctl(Task& task, int fd, uint32_t request, uint64_t arg) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  switch (request) {
    case FIOCLEX:
    case FIONCLEX:
      TRY(task.fds().SetCloexec(fd, request == FIOCLEX));
      return 0;
    case FIONBIO: {
      const int on = TRY(task.CopyInObject<int>(arg));
      TRY(file->SetStatusFlags(on ? file->flags() | O_NONBLOCK : file->flags() & ~O_NONBLOCK));
      return 0;
    }
    case FIOASYNC: {
      const int on = TRY(task.CopyInObject<int>(arg));
      return SetFlags(task, *file, fd, on ? file->flags() | O_ASYNC : file->flags() & ~O_ASYNC);
    }
    case FS_IOC_GETFLAGS:
    case FS_IOC_SETFLAGS:
      return FlagsIoctl(task, *file, request, arg);
    case FIONREAD: {
      const Result<Attr> attr = file->GetAttr();
      if (attr.ok() && attr->IsRegular()) return BytesLeft(task, *file, *attr, arg);
      return file->Ioctl(task, request, arg);
    }
    default:
      if (file->socket() != nullptr && IsOwnerIoctl(request)) return OwnerIoctl(task, *file, request, arg);
      return file->Ioctl(task, request, arg);
  }
}

}  // namespace runsc
