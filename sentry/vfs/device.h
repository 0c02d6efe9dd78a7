// What opening a device node or a FIFO gives: nodes carry only a number, drivers register here.
#pragma once

#include <sys/sysmacros.h>

#include "sentry/vfs/file.h"

namespace runsc {

// `path` is where the node was opened; flags are open(2)'s. May block (a FIFO waits for its peer, with
// Task::Block): no lock is held.
using DeviceOpener = Result<RefPtr<File>> (*)(Task& task, const Path& path, int flags);
using FifoOpener = Result<RefPtr<File>> (*)(Task& task, RefPtr<Inode> inode, const Path& path, int flags);

// Registration happens at boot, before the first task runs.
void RegisterCharDevice(unsigned major, unsigned minor, DeviceOpener opener);
// All minors of `major` that have no registration of their own (pts).
void RegisterCharMajor(unsigned major, DeviceOpener opener);
void RegisterFifo(FifoOpener opener);

// Opens a node that is not a regular file, directory or symlink. ENXIO: no such device, sockets.
Result<RefPtr<File>> OpenSpecial(Task& task, RefPtr<Inode> inode, const Attr& attr, const Path& path, int flags);

}  // namespace runsc
