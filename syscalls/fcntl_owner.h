// fcntl(2)'s F_SETOWN, F_GETOWN, F_SETOWN_EX, F_GETOWN_EX, F_SETSIG and F_GETSIG, and the older ioctls of sockets.
#pragma once

#include "platform/platform.h"
#include "sentry/kernel/syscall_table.h"
#include "sentry/vfs/file.h"

namespace runsc {

SyscallResult OwnerCommand(Task& task, File& file, int command, uint64_t arg);
bool IsOwnerIoctl(uint32_t request);  // FIOSETOWN, SIOCSPGRP, FIOGETOWN, SIOCGPGRP
SyscallResult OwnerIoctl(Task& task, File& file, uint32_t request, GuestAddr arg);

}  // namespace runsc
