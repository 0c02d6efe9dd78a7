// Path arguments of the *at calls: copied in, with where to start, and what they name.
#pragma once

#include <string>

#include "syscalls/fd_util.h"

namespace runsc {

struct PathArg {
  std::string text;
  Path start;
};

// An empty path is looked at before where it would start.
inline Result<PathArg> CopyInPathAt(Task& task, int dirfd, GuestAddr addr, bool may_be_empty = false) {
  std::string text = TRY(task.CopyInPath(addr));
  if (text.empty() && !may_be_empty) return Errno(ENOENT);
  Path start = TRY(StartOf(task, dirfd, text));
  return PathArg{std::move(text), std::move(start)};
}

// What `text` names to an *at call with AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH in `at_flags`. An empty one may be the
// descriptor itself; a file without a path, a pipe, gives ENOTDIR then: use UnnamedFile first where they count.
inline Result<Path> LookupText(Task& task, const Resolver& resolver, int dirfd, const std::string& text, int at_flags) {
  if (text.empty() && !(at_flags & AT_EMPTY_PATH)) return Errno(ENOENT);
  const Path start = TRY(StartOf(task, dirfd, text));
  uint32_t flags = 0;
  if (at_flags & AT_SYMLINK_NOFOLLOW) flags |= Vfs::kNoFollow;
  if (at_flags & AT_EMPTY_PATH) flags |= Vfs::kEmptyPath;
  return task.vfs().Lookup(resolver, start, text, flags);
}

inline Result<Path> LookupAt(Task& task, int dirfd, GuestAddr addr, int at_flags) {
  return LookupText(task, task.resolver(), dirfd, TRY(task.CopyInPath(addr)), at_flags);
}

// The descriptor's file if it is what an empty `text` names, else null.
inline Result<RefPtr<File>> UnnamedFile(Task& task, int dirfd, const std::string& text, int at_flags) {
  const bool names_fd = text.empty() && (at_flags & AT_EMPTY_PATH) && dirfd != AT_FDCWD;
  return names_fd ? task.fds().Get(dirfd) : RefPtr<File>();
}

}  // namespace runsc
