// Watching files: inotify_init1(2), inotify_add_watch(2), inotify_rm_watch(2).
#include "sentry/fs/inotify.h"
#include "sentry/kernel/task.h"
#include "syscalls/copy_path.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr uint32_t kKnownMask = IN_ALL_EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE |
                                IN_MASK_ADD | IN_ISDIR | IN_ONESHOT | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED;

Result<RefPtr<InotifyFile>> InotifyOf(Task& task, int fd) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  InotifyFile* inotify = FileAs<InotifyFile>(*file);
  if (inotify == nullptr) return Errno(EINVAL);
  return RefPtr<InotifyFile>(inotify);
}

}  // namespace

// inotify_init1(2)
SyscallResult SysInotifyInit1(Task& task, int flags) {
  if (flags & ~(IN_CLOEXEC | IN_NONBLOCK)) return Errno(EINVAL);
  return InstallFd(task, TRY(NewInotifyFile(task, flags)), flags & IN_CLOEXEC);
}

// inotify_init(2)
SyscallResult SysInotifyInit(Task& task) { return SysInotifyInit1(task, 0); }

// inotify_add_watch(2)
SyscallResult SysInotifyAddWatch(Task& task, int fd, GuestAddr path_addr, uint32_t mask) {
  if ((mask & ~kKnownMask) || !(mask & (kKnownMask & ~(IN_ONLYDIR | IN_DONT_FOLLOW)))) return Errno(EINVAL);
  TRY(task.fds().GetForIo(fd));
  if ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE)) return Errno(EINVAL);
  RefPtr<InotifyFile> inotify = TRY(InotifyOf(task, fd));
  const PathArg arg = TRY(CopyInPathAt(task, AT_FDCWD, path_addr));
  uint32_t flags = mask & IN_DONT_FOLLOW ? Vfs::kNoFollow : 0u;
  if (mask & IN_ONLYDIR) flags |= Vfs::kDirectory;
  const Path path = TRY(task.vfs().Lookup(task.resolver(), arg.start, arg.text, flags));
  TRY(task.vfs().CheckAccess(*task.creds(), path, R_OK));
  return int64_t{TRY(inotify->AddWatch(path.dentry->inode(), mask & ~(IN_ONLYDIR | IN_DONT_FOLLOW)))};
}

// inotify_rm_watch(2)
SyscallResult SysInotifyRmWatch(Task& task, int fd, int wd) {
  TRY(TRY(InotifyOf(task, fd))->RemoveWatch(wd));
  return 0;
}

}  // namespace runsc
