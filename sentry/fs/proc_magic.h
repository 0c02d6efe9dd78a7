// Paths to inodes that have no name: what the magic links of /proc lead to.
#pragma once

#include "sentry/vfs/file.h"

namespace runsc {

// Where `file` is; for pipes, sockets and other nameless files a path of their own. ENOENT.
Result<Path> MagicPathOf(File& file);
// What readlink of /proc/PID/fd/N says: the name as `reader` sees it, or what kind of thing it is.
std::string NameOfFile(const File& file, Task& reader);
// The same of where a link leads.
std::string NameOfTarget(const Path& path, Task& reader);
// A path to `inode`, outside of every mounted tree.
Result<Path> PathToUnnamed(RefPtr<Inode> inode, std::string name);

}  // namespace runsc
