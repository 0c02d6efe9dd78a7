// Putting new open file descriptions into the caller's descriptor table.
#pragma once

#include <sys/resource.h>

#include "sentry/kernel/syscall_table.h"
#include "sentry/kernel/task.h"

namespace runsc {

// The lowest free descriptor, below RLIMIT_NOFILE. EMFILE.
inline SyscallResult InstallFd(Task& task, RefPtr<File> file, bool cloexec, int minimum = 0) {
  return int64_t{TRY(task.fds().Install(std::move(file), cloexec, minimum, task.rlimit(RLIMIT_NOFILE)))};
}

// Where an *at call starts: the working directory for AT_FDCWD, else the directory behind `dirfd`.
// An absolute path needs no start, so a bad `dirfd` is not looked at then. EBADF, ENOTDIR.
inline Result<Path> StartOf(Task& task, int dirfd, const std::string& path) {
  if (!path.empty() && path[0] == '/') return Path();
  if (dirfd == AT_FDCWD) return task.fs().cwd();
  RefPtr<File> file = TRY(task.fds().Get(dirfd));
  if (!file->path()) return Errno(ENOTDIR);
  return file->path();
}

}  // namespace runsc
