// cgroup2 as a container sees it: its own cgroup as the root of the hierarchy, for programs that size themselves by
// what they may use. Nothing can be changed: limits are set outside.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sentry/vfs/inode.h"

namespace runsc {

class Kernel;

// The text of a file of cgroup v2 ("memory.max"); ENOENT when the container has no such control.
using CgroupText = std::function<Result<std::string>(const std::string& file)>;

// Of the container of the sandbox with that number (ThreadGroup::container).
RefPtr<FileSystem> NewCgroupFs(Kernel& kernel, int container, CgroupText text);

}  // namespace runsc
