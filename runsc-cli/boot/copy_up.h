// tmpcopyup: a new tmpfs begins with what it covers.
#pragma once

#include "platform/base/result.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

namespace runsc {

// Copies what is in the directory `from` into the directory `to`, with owners and modes, as `r` may.
Result<void> CopyTree(const Resolver& r, Task& task, const Path& from, const Path& to);

}  // namespace runsc
