// fcntl(2)'s leases, as those see them who come into their way.
#pragma once

#include "sentry/vfs/vfs.h"

namespace runsc {

// Waits until no lease is in the way of opening or truncating the regular file. EAGAIN if it may not wait.
Result<void> AwaitLeases(Task& task, Inode& inode, bool for_write, bool nonblocking);

}  // namespace runsc
