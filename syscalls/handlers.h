// Every handler's prototype, by family: the contents page of the guest ABI. Handlers are free functions
// `Sys<LinuxName>` taking the task and typed arguments; they decode, delegate and return.
#pragma once

#include <sys/types.h>

#include "platform/platform.h"
#include "sentry/kernel/syscall_table.h"

namespace runsc {

class Task;

// read_write.cc

// open_close.cc

// metadata.cc

// directories.cc

// fd.cc (dup, fcntl, ioctl, flock...)

// mount.cc

// memory.cc

// process.cc

// signals.cc

// futex.cc

// time.cc

// identity.cc

// poll.cc
SyscallResult SysPoll(Task& task, GuestAddr fds, uint32_t count, int timeout_ms);
SyscallResult SysPpoll(Task& task, GuestAddr fds, uint32_t count, GuestAddr timeout, GuestAddr mask, uint64_t mask_size);
SyscallResult SysSelect(Task& task, int count, GuestAddr in, GuestAddr out, GuestAddr except, GuestAddr timeout);
SyscallResult SysPselect6(Task& task, int count, GuestAddr in, GuestAddr out, GuestAddr except, GuestAddr timeout, GuestAddr mask_arg);
SyscallResult SysEpollCreate1(Task& task, int flags);
SyscallResult SysEpollCreate(Task& task, int size);
SyscallResult SysEpollCtl(Task& task, int epoll_fd, int op, int fd, GuestAddr event_addr);
SyscallResult SysEpollWait(Task& task, int fd, GuestAddr events, int max_events, int timeout_ms);
SyscallResult SysEpollPwait(Task& task, int fd, GuestAddr events, int max_events, int timeout_ms, GuestAddr mask, uint64_t mask_size);
SyscallResult SysEpollPwait2(Task& task, int fd, GuestAddr events, int max_events, GuestAddr timeout, GuestAddr mask, uint64_t mask_size);

// sockets.cc

// event_files.cc (pipe, eventfd, timerfd, signalfd, memfd)
SyscallResult SysPipe2(Task& task, GuestAddr fds_addr, int flags);
SyscallResult SysPipe(Task& task, GuestAddr fds_addr);
SyscallResult SysEventfd2(Task& task, uint32_t value, int flags);
SyscallResult SysEventfd(Task& task, uint32_t value);
SyscallResult SysTimerfdCreate(Task& task, int clock, int flags);
SyscallResult SysTimerfdSettime(Task& task, int fd, int flags, GuestAddr new_addr, GuestAddr old_addr);
SyscallResult SysTimerfdGettime(Task& task, int fd, GuestAddr addr);
SyscallResult SysSignalfd4(Task& task, int fd, GuestAddr set_addr, uint64_t set_size, int flags);
SyscallResult SysSignalfd(Task& task, int fd, GuestAddr set_addr, uint64_t set_size);
SyscallResult SysMemfdCreate(Task& task, GuestAddr name_addr, uint32_t flags);

// system.cc
SyscallResult SysUname(Task& task, GuestAddr buf);
SyscallResult SysSethostname(Task& task, GuestAddr name, int length);
SyscallResult SysSetdomainname(Task& task, GuestAddr name, int length);
SyscallResult SysSysinfo(Task& task, GuestAddr buf);
SyscallResult SysGetrandom(Task& task, GuestAddr buf, uint64_t count, uint32_t flags);
SyscallResult SysSyslog(Task& task, int type, GuestAddr buf, int length);
SyscallResult SysReboot(Task& task, int magic1, int magic2, uint32_t command);
SyscallResult SysSwapon(Task& task, GuestAddr path, int flags);
SyscallResult SysSwapoff(Task& task, GuestAddr path);
SyscallResult SysAcct(Task& task, GuestAddr path);
SyscallResult SysInitModule(Task& task, GuestAddr image, uint64_t length, GuestAddr params);
SyscallResult SysFinitModule(Task& task, int fd, GuestAddr params, int flags);
SyscallResult SysDeleteModule(Task& task, GuestAddr name, uint32_t flags);
SyscallResult SysIopl(Task& task, uint32_t level);
SyscallResult SysIoperm(Task& task, uint64_t from, uint64_t count, int turn_on);
SyscallResult SysVhangup(Task& task);

}  // namespace runsc
