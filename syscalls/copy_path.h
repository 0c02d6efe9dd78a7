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

// What an *at call with AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH in `at_flags` names. For a null or empty
// path with AT_EMPTY_PATH it is the descriptor itself; files without a path give EBADF then: use
// FileOrPath where they count.
inline Result<Path> LookupAt(Task& task, int dirfd, GuestAddr addr, int at_flags) {
  const PathArg arg = TRY(CopyInPathAt(task, dirfd, addr, at_flags & AT_EMPTY_PATH));
  uint32_t flags = 0;
  if (at_flags & AT_SYMLINK_NOFOLLOW) flags |= Vfs::kNoFollow;
  if (at_flags & AT_EMPTY_PATH) flags |= Vfs::kEmptyPath;
  return task.vfs().Lookup(task.resolver(), arg.start, arg.text, flags);
}

}  // namespace runsc
