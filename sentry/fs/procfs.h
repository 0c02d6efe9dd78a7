// proc(5).
#pragma once

#include "sentry/vfs/inode.h"

namespace runsc {

class Kernel;

// One instance shows one kernel; it may be mounted in several places. `kernel` must outlive it.
RefPtr<FileSystem> NewProcfs(Kernel& kernel);

}  // namespace runsc
