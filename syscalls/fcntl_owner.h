// fcntl(2)'s F_SETOWN, F_GETOWN, F_SETOWN_EX, F_GETOWN_EX, F_SETSIG and F_GETSIG.
#pragma once

#include "platform/platform.h"
#include "sentry/kernel/syscall_table.h"
#include "sentry/vfs/file.h"

namespace runsc {

SyscallResult OwnerCommand(Task& task, File& file, int command, uint64_t arg);

}  // namespace runsc
