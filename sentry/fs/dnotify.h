// fcntl(2)'s F_NOTIFY: a signal when something happens in a directory. What inotify(7) replaced.
#pragma once

#include "sentry/vfs/file.h"

namespace runsc {

// `events`: DN_*, added to what was asked for before; none of them ends it. `fd` is how the caller knows the file.
// Unless DN_MULTISHOT is among them the first event ends it. ENOTDIR.
// One process at a time is told for an open file description: who asked last.
Result<void> NotifyOfDirectory(Task& task, File& file, int fd, uint32_t events);
// `closer` closes a descriptor of the directory: that ends what it asked for.
void EndDirectoryNotice(File& file, Task& closer);

}  // namespace runsc
