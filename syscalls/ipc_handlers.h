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

// mqueue.cc
SyscallResult SysMqOpen(Task& task, GuestAddr name, int flags, uint32_t mode, GuestAddr attr);
SyscallResult SysMqUnlink(Task& task, GuestAddr name);
SyscallResult SysMqTimedsend(Task& task, int fd, GuestAddr text, uint64_t size, uint32_t priority, GuestAddr timeout);
SyscallResult SysMqTimedreceive(Task& task, int fd, GuestAddr text, uint64_t size, GuestAddr priority,
                                GuestAddr timeout);
SyscallResult SysMqNotify(Task& task, int fd, GuestAddr event);
SyscallResult SysMqGetsetattr(Task& task, int fd, GuestAddr new_attr, GuestAddr old_attr);

// aio.cc
SyscallResult SysIoSetup(Task& task, uint32_t capacity, GuestAddr id);
SyscallResult SysIoDestroy(Task& task, GuestAddr id);
SyscallResult SysIoSubmit(Task& task, GuestAddr id, int64_t count, GuestAddr requests);
SyscallResult SysIoGetevents(Task& task, GuestAddr id, int64_t min, int64_t count, GuestAddr events, GuestAddr timeout);
SyscallResult SysIoPgetevents(Task& task, GuestAddr id, int64_t min, int64_t count, GuestAddr events, GuestAddr timeout,
                              GuestAddr mask);
SyscallResult SysIoCancel(Task& task, GuestAddr id, GuestAddr request, GuestAddr result);

}  // namespace runsc
