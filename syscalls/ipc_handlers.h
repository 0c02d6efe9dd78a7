// Prototypes of the handlers of System V IPC, POSIX message queues and asynchronous I/O (see handlers.h).
#pragma once

#include "platform/platform.h"
#include "sentry/kernel/syscall_table.h"

namespace runsc {

class Task;

// sysv_shared_memory.cc
SyscallResult SysShmget(Task& task, int key, uint64_t size, int flags);
SyscallResult SysShmat(Task& task, int id, GuestAddr addr, int flags);
SyscallResult SysShmdt(Task& task, GuestAddr addr);
SyscallResult SysShmctl(Task& task, int id, int command, GuestAddr buf);

// sysv_semaphores.cc
SyscallResult SysSemget(Task& task, int key, int count, int flags);
SyscallResult SysSemop(Task& task, int id, GuestAddr ops, uint32_t count);
SyscallResult SysSemtimedop(Task& task, int id, GuestAddr ops, uint32_t count, GuestAddr timeout);
SyscallResult SysSemctl(Task& task, int id, int index, int command, uint64_t arg);

// sysv_messages.cc
SyscallResult SysMsgget(Task& task, int key, int flags);
SyscallResult SysMsgsnd(Task& task, int id, GuestAddr message, uint64_t size, int flags);
SyscallResult SysMsgrcv(Task& task, int id, GuestAddr message, uint64_t size, int64_t type, int flags);
SyscallResult SysMsgctl(Task& task, int id, int command, GuestAddr buf);

}  // namespace runsc
