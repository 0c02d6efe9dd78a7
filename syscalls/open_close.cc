// Opening and closing: open(2), openat(2), openat2(2), creat(2), close(2), close_range(2), truncate(2).
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/openat2.h>

#include <algorithm>

#include "sentry/kernel/task.h"
#include "syscalls/fd_util.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr int kTmpfileBit = O_TMPFILE & ~O_DIRECTORY;
constexpr uint64_t kKnownFlags = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC |
                                 O_DSYNC | O_ASYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC |
                                 O_PATH | kTmpfileBit | 0100000 /* O_LARGEFILE */;
constexpr uint64_t kPathFlags = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
constexpr uint64_t kKnownResolve =
    RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;

Result<void> CheckCombination(uint64_t flags) {
  if ((flags & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT) && !(flags & O_PATH)) return Errno(EINVAL);
  if ((flags & kTmpfileBit) && (!(flags & O_DIRECTORY) || (flags & O_ACCMODE) == O_RDONLY)) {
    return Errno(EINVAL);
  }
  return {};
}

SyscallResult DoOpen(Task& task, int dirfd, GuestAddr path_addr, const OpenHow& how) {
  const std::string path = TRY(task.CopyInPath(path_addr));
  if (path.empty()) return Errno(ENOENT);
  const bool start_is_root = how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT);
  const Path start = TRY(StartOf(task, dirfd, start_is_root ? "." : path));
  RefPtr<File> file = TRY(task.vfs().Open(task.resolver(), start, path, how));
  return InstallFd(task, std::move(file), how.flags & O_CLOEXEC);
}

// open and openat ignore what they do not know.
SyscallResult OpenLeniently(Task& task, int dirfd, GuestAddr path, int flags, uint32_t mode) {
  uint64_t known = static_cast<uint32_t>(flags) & kKnownFlags;
  if (known & O_PATH) known &= kPathFlags;
  TRY(CheckCombination(known));
  OpenHow how{.flags = static_cast<int>(known)};
  if (known & (O_CREAT | kTmpfileBit)) how.mode = mode & 07777;
  return DoOpen(task, dirfd, path, how);
}

Result<OpenHow> CheckStrictly(Task& task, const struct open_how& how) {
  if (how.flags & ~kKnownFlags) return Errno(EINVAL);
  if (how.resolve & ~kKnownResolve) return Errno(EINVAL);
  if ((how.resolve & RESOLVE_BENEATH) && (how.resolve & RESOLVE_IN_ROOT)) return Errno(EINVAL);
  const bool creates = how.flags & (O_CREAT | kTmpfileBit);
  if (creates ? (how.mode & ~uint64_t{07777}) != 0 : how.mode != 0) return Errno(EINVAL);
  if ((how.flags & O_PATH) && (how.flags & ~kPathFlags)) return Errno(EINVAL);
  TRY(CheckCombination(how.flags));
  if ((how.resolve & RESOLVE_CACHED) && (how.flags & (O_TRUNC | O_CREAT | kTmpfileBit))) return Errno(EAGAIN);
  const auto mode = static_cast<uint32_t>(how.mode);
  return OpenHow{.flags = static_cast<int>(how.flags), .mode = mode, .resolve = how.resolve};
}

// An extensible structure: what we know of it, with the rest required to be zero.
Result<struct open_how> CopyInHow(Task& task, GuestAddr addr, uint64_t size) {
  struct open_how how = {};
  if (size < sizeof(how)) return Errno(EINVAL);
  if (size > 4096) return Errno(E2BIG);
  std::byte raw[4096];
  TRY(task.CopyIn(addr, raw, size));
  if (std::any_of(raw + sizeof(how), raw + size, [](std::byte b) { return b != std::byte{0}; })) {
    return Errno(E2BIG);
  }
  memcpy(&how, raw, sizeof(how));
  return how;
}

}  // namespace

// open(2)
SyscallResult SysOpen(Task& task, GuestAddr path, int flags, uint32_t mode) {
  return OpenLeniently(task, AT_FDCWD, path, flags, mode);
}

// openat(2)
SyscallResult SysOpenat(Task& task, int dirfd, GuestAddr path, int flags, uint32_t mode) {
  return OpenLeniently(task, dirfd, path, flags, mode);
}

// creat(2)
SyscallResult SysCreat(Task& task, GuestAddr path, uint32_t mode) {
  return OpenLeniently(task, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

// openat2(2)
SyscallResult SysOpenat2(Task& task, int dirfd, GuestAddr path, GuestAddr how_addr, uint64_t size) {
  const struct open_how raw = TRY(CopyInHow(task, how_addr, size));
  return DoOpen(task, dirfd, path, TRY(CheckStrictly(task, raw)));
}

// close(2)
SyscallResult SysClose(Task& task, int fd) {
  RefPtr<File> file = TRY(task.fds().Remove(fd));
  file->OnClose(&task);
  return 0;
}

// close_range(2)
SyscallResult SysCloseRange(Task& task, uint32_t first, uint32_t last, uint32_t flags) {
  if (flags & ~uint32_t{CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC}) return Errno(EINVAL);
  if (first > last) return Errno(EINVAL);
  if (flags & CLOSE_RANGE_UNSHARE) task.SetFds(task.fds().Fork());
  if (flags & CLOSE_RANGE_CLOEXEC) {
    task.fds().SetCloexecRange(first, last);
    return 0;
  }
  for (const RefPtr<File>& file : task.fds().RemoveRange(first, last)) file->OnClose(&task);
  return 0;
}

}  // namespace runsc
