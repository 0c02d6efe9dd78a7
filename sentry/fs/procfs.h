// proc(5).
#pragma once

#include "sentry/vfs/inode.h"

namespace runsc {

class Kernel;

// One instance shows one kernel; it may be mounted in several places. `kernel` must outlive it.
RefPtr<FileSystem> NewProcfs(Kernel& kernel);
// The processes of a pid namespace, by its numbers (null: all).
RefPtr<FileSystem> NewProcfs(Kernel& kernel, RefPtr<class PidNamespace> ns);

}  // namespace runsc
