// Paths to inodes that have no name: what the magic links of /proc lead to.
#pragma once

#include "sentry/vfs/file.h"

namespace runsc {

// Where `file` is; for pipes, sockets and other nameless files a path of their own. ENOENT.
Result<Path> MagicPathOf(File& file);
// A path to `inode`, outside of every mounted tree.
Result<Path> PathToUnnamed(RefPtr<Inode> inode, std::string name);

}  // namespace runsc
