// Every handler's prototype, by family: the contents page of the guest ABI. Handlers are free functions
// `Sys<LinuxName>` taking the task and typed arguments; they decode, delegate and return.
#pragma once

#include <sys/types.h>

#include "platform/platform.h"
#include "sentry/kernel/syscall_table.h"

namespace runsc {

class Task;

// read_write.cc
SyscallResult SysRead(Task& task, int fd, GuestAddr buf, uint64_t count);
SyscallResult SysWrite(Task& task, int fd, GuestAddr buf, uint64_t count);
SyscallResult SysPread64(Task& task, int fd, GuestAddr buf, uint64_t count, int64_t offset);
SyscallResult SysPwrite64(Task& task, int fd, GuestAddr buf, uint64_t count, int64_t offset);
SyscallResult SysReadv(Task& task, int fd, GuestAddr iov, uint64_t count);
SyscallResult SysWritev(Task& task, int fd, GuestAddr iov, uint64_t count);
SyscallResult SysPreadv(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset);
SyscallResult SysPwritev(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset);
SyscallResult SysPreadv2(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset,
                         uint64_t offset_high, int flags);
SyscallResult SysPwritev2(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset,
                          uint64_t offset_high, int flags);
SyscallResult SysLseek(Task& task, int fd, int64_t offset, int whence);

// open_close.cc
SyscallResult SysOpen(Task& task, GuestAddr path, int flags, uint32_t mode);
SyscallResult SysOpenat(Task& task, int dirfd, GuestAddr path, int flags, uint32_t mode);
SyscallResult SysCreat(Task& task, GuestAddr path, uint32_t mode);
SyscallResult SysOpenat2(Task& task, int dirfd, GuestAddr path, GuestAddr how_addr, uint64_t size);
SyscallResult SysClose(Task& task, int fd);
SyscallResult SysCloseRange(Task& task, uint32_t first, uint32_t last, uint32_t flags);

// metadata.cc
SyscallResult SysStat(Task& task, GuestAddr path, GuestAddr buf);
SyscallResult SysLstat(Task& task, GuestAddr path, GuestAddr buf);
SyscallResult SysFstat(Task& task, int fd, GuestAddr buf);
SyscallResult SysNewfstatat(Task& task, int dirfd, GuestAddr path, GuestAddr buf, int flags);
SyscallResult SysStatx(Task& task, int dirfd, GuestAddr path, int flags, uint32_t mask,
                       GuestAddr buf);
SyscallResult SysAccess(Task& task, GuestAddr path, int mode);
SyscallResult SysFaccessat(Task& task, int dirfd, GuestAddr path, int mode);
SyscallResult SysFaccessat2(Task& task, int dirfd, GuestAddr path, int mode, int flags);
SyscallResult SysChmod(Task& task, GuestAddr path, uint32_t mode);
SyscallResult SysFchmod(Task& task, int fd, uint32_t mode);
SyscallResult SysFchmodat(Task& task, int dirfd, GuestAddr path, uint32_t mode);
SyscallResult SysFchmodat2(Task& task, int dirfd, GuestAddr path, uint32_t mode, int flags);
SyscallResult SysChown(Task& task, GuestAddr path, uid_t uid, gid_t gid);
SyscallResult SysLchown(Task& task, GuestAddr path, uid_t uid, gid_t gid);
SyscallResult SysFchownat(Task& task, int dirfd, GuestAddr path, uid_t uid, gid_t gid, int flags);
SyscallResult SysFchown(Task& task, int fd, uid_t uid, gid_t gid);
SyscallResult SysUtimensat(Task& task, int dirfd, GuestAddr path, GuestAddr times_addr, int flags);
SyscallResult SysFutimesat(Task& task, int dirfd, GuestAddr path, GuestAddr times);
SyscallResult SysUtimes(Task& task, GuestAddr path, GuestAddr times);
SyscallResult SysUtime(Task& task, GuestAddr path, GuestAddr times_addr);
SyscallResult SysStatfs(Task& task, GuestAddr path, GuestAddr buf);
SyscallResult SysFstatfs(Task& task, int fd, GuestAddr buf);
SyscallResult SysUmask(Task& task, int mask);

// directories.cc
SyscallResult SysMkdir(Task& task, GuestAddr path, uint32_t mode);
SyscallResult SysMkdirat(Task& task, int dirfd, GuestAddr path, uint32_t mode);
SyscallResult SysRmdir(Task& task, GuestAddr path);
SyscallResult SysUnlink(Task& task, GuestAddr path);
SyscallResult SysUnlinkat(Task& task, int dirfd, GuestAddr path, int flags);
SyscallResult SysRename(Task& task, GuestAddr old_path, GuestAddr new_path);
SyscallResult SysRenameat(Task& task, int old_dirfd, GuestAddr old_path, int new_dirfd,
                          GuestAddr new_path);
SyscallResult SysRenameat2(Task& task, int old_dirfd, GuestAddr old_path, int new_dirfd,
                           GuestAddr new_path, uint32_t flags);
SyscallResult SysLink(Task& task, GuestAddr old_path, GuestAddr new_path);
SyscallResult SysLinkat(Task& task, int old_dirfd, GuestAddr old_path, int new_dirfd,
                        GuestAddr new_path, int flags);
SyscallResult SysSymlink(Task& task, GuestAddr target, GuestAddr path);
SyscallResult SysSymlinkat(Task& task, GuestAddr target, int dirfd, GuestAddr path);
SyscallResult SysReadlink(Task& task, GuestAddr path, GuestAddr buf, int size);
SyscallResult SysReadlinkat(Task& task, int dirfd, GuestAddr path, GuestAddr buf, int size);
SyscallResult SysMknod(Task& task, GuestAddr path, uint32_t mode, uint32_t dev);
SyscallResult SysMknodat(Task& task, int dirfd, GuestAddr path, uint32_t mode, uint32_t dev);
SyscallResult SysGetdents(Task& task, int fd, GuestAddr buf, uint32_t size);
SyscallResult SysGetdents64(Task& task, int fd, GuestAddr buf, uint32_t size);
SyscallResult SysGetcwd(Task& task, GuestAddr buf, uint64_t size);
SyscallResult SysChdir(Task& task, GuestAddr path);
SyscallResult SysFchdir(Task& task, int fd);
SyscallResult SysChroot(Task& task, GuestAddr path);

// fd.cc (dup, fcntl, ioctl, flock...)
SyscallResult SysDup(Task& task, int fd);
SyscallResult SysDup2(Task& task, int old_fd, int new_fd);
SyscallResult SysDup3(Task& task, int old_fd, int new_fd, int flags);
SyscallResult SysFcntl(Task& task, int fd, int command, uint64_t arg);
SyscallResult SysFlock(Task& task, int fd, int operation);
SyscallResult SysIoctl(Task& task, int fd, uint32_t request, uint64_t arg);

// transfer.cc
SyscallResult SysSendfile(Task& task, int out_fd, int in_fd, GuestAddr offset_addr, uint64_t count);
SyscallResult SysCopyFileRange(Task& task, int in_fd, GuestAddr in_addr, int out_fd,
                               GuestAddr out_addr, uint64_t count, uint32_t flags);

// file_space.cc
SyscallResult SysTruncate(Task& task, GuestAddr path, int64_t size);
SyscallResult SysFtruncate(Task& task, int fd, int64_t size);
SyscallResult SysFallocate(Task& task, int fd, int mode, int64_t offset, int64_t length);
SyscallResult SysFsync(Task& task, int fd);
SyscallResult SysFdatasync(Task& task, int fd);
SyscallResult SysSync(Task& task);
SyscallResult SysSyncfs(Task& task, int fd);
SyscallResult SysSyncFileRange(Task& task, int fd, int64_t offset, int64_t length, uint32_t flags);
SyscallResult SysFadvise64(Task& task, int fd, int64_t offset, int64_t length, int advice);
SyscallResult SysReadahead(Task& task, int fd, int64_t offset, uint64_t count);

// xattr.cc
SyscallResult SysSetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value,
                          uint64_t size, int flags);
SyscallResult SysLsetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value,
                           uint64_t size, int flags);
SyscallResult SysFsetxattr(Task& task, int fd, GuestAddr name, GuestAddr value, uint64_t size,
                           int flags);
SyscallResult SysGetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value,
                          uint64_t size);
SyscallResult SysLgetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value,
                           uint64_t size);
SyscallResult SysFgetxattr(Task& task, int fd, GuestAddr name, GuestAddr value, uint64_t size);
SyscallResult SysListxattr(Task& task, GuestAddr path, GuestAddr list, uint64_t size);
SyscallResult SysLlistxattr(Task& task, GuestAddr path, GuestAddr list, uint64_t size);
SyscallResult SysFlistxattr(Task& task, int fd, GuestAddr list, uint64_t size);
SyscallResult SysRemovexattr(Task& task, GuestAddr path, GuestAddr name);
SyscallResult SysLremovexattr(Task& task, GuestAddr path, GuestAddr name);
SyscallResult SysFremovexattr(Task& task, int fd, GuestAddr name);

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
