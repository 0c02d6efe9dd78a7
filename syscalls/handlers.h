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
SyscallResult SysPreadv2(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset, uint64_t offset_high,
                         int flags);
SyscallResult SysPwritev2(Task& task, int fd, GuestAddr iov, uint64_t count, int64_t offset, uint64_t offset_high,
                          int flags);
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
SyscallResult SysStatx(Task& task, int dirfd, GuestAddr path, int flags, uint32_t mask, GuestAddr buf);
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
SyscallResult SysRenameat(Task& task, int old_dirfd, GuestAddr old_path, int new_dirfd, GuestAddr new_path);
SyscallResult SysRenameat2(Task& task, int old_dirfd, GuestAddr old_path, int new_dirfd, GuestAddr new_path,
                           uint32_t flags);
SyscallResult SysLink(Task& task, GuestAddr old_path, GuestAddr new_path);
SyscallResult SysLinkat(Task& task, int old_dirfd, GuestAddr old_path, int new_dirfd, GuestAddr new_path, int flags);
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
SyscallResult SysCopyFileRange(Task& task, int in_fd, GuestAddr in_addr, int out_fd, GuestAddr out_addr, uint64_t count,
                               uint32_t flags);

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
SyscallResult SysSetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value, uint64_t size, int flags);
SyscallResult SysLsetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value, uint64_t size, int flags);
SyscallResult SysFsetxattr(Task& task, int fd, GuestAddr name, GuestAddr value, uint64_t size, int flags);
SyscallResult SysGetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value, uint64_t size);
SyscallResult SysLgetxattr(Task& task, GuestAddr path, GuestAddr name, GuestAddr value, uint64_t size);
SyscallResult SysFgetxattr(Task& task, int fd, GuestAddr name, GuestAddr value, uint64_t size);
SyscallResult SysListxattr(Task& task, GuestAddr path, GuestAddr list, uint64_t size);
SyscallResult SysLlistxattr(Task& task, GuestAddr path, GuestAddr list, uint64_t size);
SyscallResult SysFlistxattr(Task& task, int fd, GuestAddr list, uint64_t size);
SyscallResult SysRemovexattr(Task& task, GuestAddr path, GuestAddr name);
SyscallResult SysLremovexattr(Task& task, GuestAddr path, GuestAddr name);
SyscallResult SysFremovexattr(Task& task, int fd, GuestAddr name);

// inotify.cc
SyscallResult SysInotifyInit(Task& task);
SyscallResult SysInotifyInit1(Task& task, int flags);
SyscallResult SysInotifyAddWatch(Task& task, int fd, GuestAddr path_addr, uint32_t mask);
SyscallResult SysInotifyRmWatch(Task& task, int fd, int wd);

// splice.cc
SyscallResult SysSplice(Task& task, int in_fd, GuestAddr in_addr, int out_fd, GuestAddr out_addr, uint64_t length,
                        uint32_t flags);
SyscallResult SysTee(Task& task, int in_fd, int out_fd, uint64_t length, uint32_t flags);
SyscallResult SysVmsplice(Task& task, int fd, GuestAddr iov, uint64_t count, uint32_t flags);

// mount.cc
SyscallResult SysMount(Task& task, GuestAddr source_addr, GuestAddr target_addr, GuestAddr type_addr, uint64_t flags,
                       GuestAddr data_addr);
SyscallResult SysUmount2(Task& task, GuestAddr target, int flags);

// memory.cc
SyscallResult SysMmap(Task& task, GuestAddr addr, uint64_t length, int prot, int flags, int fd, uint64_t offset);
SyscallResult SysMunmap(Task& task, GuestAddr addr, uint64_t length);
SyscallResult SysMprotect(Task& task, GuestAddr addr, uint64_t length, int prot);
SyscallResult SysMremap(Task& task, GuestAddr addr, uint64_t old_length, uint64_t new_length, int flags,
                        GuestAddr new_addr);
SyscallResult SysMadvise(Task& task, GuestAddr addr, uint64_t length, int advice);
SyscallResult SysBrk(Task& task, GuestAddr addr);
SyscallResult SysMsync(Task& task, GuestAddr addr, uint64_t length, int flags);
SyscallResult SysMincore(Task& task, GuestAddr addr, uint64_t length, GuestAddr vector);
SyscallResult SysMlock(Task&, GuestAddr, uint64_t);
SyscallResult SysMlock2(Task&, GuestAddr, uint64_t, int flags);
SyscallResult SysMlockall(Task&, int flags);
SyscallResult SysMunlock(Task& task, GuestAddr addr, uint64_t length);
SyscallResult SysMunlockall(Task& task);
SyscallResult SysProcessVmReadv(Task& task, int pid, GuestAddr local, uint64_t local_count, GuestAddr remote,
                                uint64_t remote_count, uint64_t flags);
SyscallResult SysProcessVmWritev(Task& task, int pid, GuestAddr local, uint64_t local_count, GuestAddr remote,
                                 uint64_t remote_count, uint64_t flags);

// process.cc
SyscallResult SysFork(Task& task);
SyscallResult SysVfork(Task& task);
SyscallResult SysClone(Task& task, uint64_t flags, GuestAddr stack, GuestAddr parent_tid, GuestAddr child_tid,
                       GuestAddr tls);
SyscallResult SysClone3(Task& task, GuestAddr addr, uint64_t size);
SyscallResult SysExecve(Task& task, GuestAddr path, GuestAddr argv, GuestAddr envp);
SyscallResult SysExecveat(Task& task, int dir_fd, GuestAddr path, GuestAddr argv, GuestAddr envp, int flags);
SyscallResult SysExit(Task& task, int status);
SyscallResult SysExitGroup(Task& task, int status);
SyscallResult SysWait4(Task& task, int pid, GuestAddr status_addr, int options, GuestAddr usage_addr);
SyscallResult SysWaitid(Task& task, int which, int id, GuestAddr info_addr, int options, GuestAddr usage_addr);
SyscallResult SysGetpid(Task& task);
SyscallResult SysGettid(Task& task);
SyscallResult SysGetppid(Task& task);
SyscallResult SysSetpgid(Task& task, int pid, int pgid);
SyscallResult SysGetpgid(Task& task, int pid);
SyscallResult SysGetpgrp(Task& task);
SyscallResult SysSetsid(Task& task);
SyscallResult SysGetsid(Task& task, int pid);
SyscallResult SysSetTidAddress(Task& task, GuestAddr addr);
SyscallResult SysPrctl(Task& task, int option, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

// signals.cc
SyscallResult SysRtSigaction(Task& task, int signo, GuestAddr new_addr, GuestAddr old_addr, uint64_t set_size);
SyscallResult SysRtSigprocmask(Task& task, int how, GuestAddr new_addr, GuestAddr old_addr, uint64_t set_size);
SyscallResult SysRtSigpending(Task& task, GuestAddr addr, uint64_t set_size);
SyscallResult SysRtSigtimedwait(Task& task, GuestAddr set_addr, GuestAddr info_addr, GuestAddr timeout_addr,
                                uint64_t set_size);
SyscallResult SysRtSigsuspend(Task& task, GuestAddr set_addr, uint64_t set_size);
SyscallResult SysPause(Task& task);
SyscallResult SysSigaltstack(Task& task, GuestAddr new_addr, GuestAddr old_addr);
SyscallResult SysRtSigreturn(Task& task);
SyscallResult SysRestartSyscall(Task& task);
SyscallResult SysKill(Task& task, int pid, int signo);
SyscallResult SysTkill(Task& task, int tid, int signo);
SyscallResult SysTgkill(Task& task, int tgid, int tid, int signo);
SyscallResult SysRtSigqueueinfo(Task& task, int pid, int signo, GuestAddr info_addr);
SyscallResult SysRtTgsigqueueinfo(Task& task, int tgid, int tid, int signo, GuestAddr info_addr);

// futex.cc
SyscallResult SysFutex(Task& task, GuestAddr addr, int op, uint32_t value, uint64_t timeout, GuestAddr addr2,
                       uint32_t value3);
SyscallResult SysSetRobustList(Task& task, GuestAddr head, uint64_t size);
SyscallResult SysGetRobustList(Task& task, int tid, GuestAddr head_addr, GuestAddr size_addr);
SyscallResult SysMembarrier(Task& task, int command, uint32_t flags, int cpu);
SyscallResult SysFutexWaitv(Task& task, GuestAddr waiters, uint32_t count, uint32_t flags, GuestAddr timeout,
                            int clock);

// time.cc
SyscallResult SysClockGettime(Task& task, int id, GuestAddr addr);
SyscallResult SysClockGetres(Task& task, int id, GuestAddr addr);
SyscallResult SysClockSettime(Task& task, int id, GuestAddr addr);
SyscallResult SysGettimeofday(Task& task, GuestAddr tv_addr, GuestAddr tz_addr);
SyscallResult SysSettimeofday(Task&, GuestAddr, GuestAddr);
SyscallResult SysTime(Task& task, GuestAddr addr);
SyscallResult SysAdjtimex(Task& task, GuestAddr addr);
SyscallResult SysClockAdjtime(Task& task, int id, GuestAddr addr);
SyscallResult SysNanosleep(Task& task, GuestAddr request_addr, GuestAddr rest_addr);
SyscallResult SysClockNanosleep(Task& task, int id, int flags, GuestAddr request_addr, GuestAddr rest_addr);
SyscallResult SysGetitimer(Task& task, int which, GuestAddr addr);
SyscallResult SysSetitimer(Task& task, int which, GuestAddr new_addr, GuestAddr old_addr);
SyscallResult SysAlarm(Task& task, uint32_t seconds);
SyscallResult SysTimerCreate(Task& task, int clock_id, GuestAddr event_addr, GuestAddr id_addr);
SyscallResult SysTimerSettime(Task& task, int id, int flags, GuestAddr new_addr, GuestAddr old_addr);
SyscallResult SysTimerGettime(Task& task, int id, GuestAddr addr);
SyscallResult SysTimerGetoverrun(Task& task, int id);
SyscallResult SysTimerDelete(Task& task, int id);
SyscallResult SysTimes(Task& task, GuestAddr addr);

// identity.cc
SyscallResult SysGetuid(Task& task);
SyscallResult SysGeteuid(Task& task);
SyscallResult SysGetgid(Task& task);
SyscallResult SysGetegid(Task& task);
SyscallResult SysGetresuid(Task& task, GuestAddr r, GuestAddr e, GuestAddr s);
SyscallResult SysGetresgid(Task& task, GuestAddr r, GuestAddr e, GuestAddr s);
SyscallResult SysSetuid(Task& task, uint32_t uid);
SyscallResult SysSetgid(Task& task, uint32_t gid);
SyscallResult SysSetreuid(Task& task, uint32_t ruid, uint32_t euid);
SyscallResult SysSetregid(Task& task, uint32_t rgid, uint32_t egid);
SyscallResult SysSetresuid(Task& task, uint32_t ruid, uint32_t euid, uint32_t suid);
SyscallResult SysSetresgid(Task& task, uint32_t rgid, uint32_t egid, uint32_t sgid);
SyscallResult SysSetfsuid(Task& task, uint32_t uid);
SyscallResult SysSetfsgid(Task& task, uint32_t gid);
SyscallResult SysGetgroups(Task& task, int size, GuestAddr addr);
SyscallResult SysSetgroups(Task& task, int size, GuestAddr addr);
SyscallResult SysCapget(Task& task, GuestAddr header_addr, GuestAddr data_addr);
SyscallResult SysCapset(Task& task, GuestAddr header_addr, GuestAddr data_addr);

// scheduling.cc
SyscallResult SysSchedSetscheduler(Task& task, int pid, int policy, GuestAddr param_addr);
SyscallResult SysSchedGetscheduler(Task& task, int pid);
SyscallResult SysSchedSetparam(Task& task, int pid, GuestAddr param_addr);
SyscallResult SysSchedGetparam(Task& task, int pid, GuestAddr param_addr);
SyscallResult SysSchedGetPriorityMax(Task&, int policy);
SyscallResult SysSchedGetPriorityMin(Task&, int policy);
SyscallResult SysSchedRrGetInterval(Task& task, int pid, GuestAddr addr);
SyscallResult SysSchedYield(Task& task);
SyscallResult SysSchedSetattr(Task& task, int pid, GuestAddr attr, uint32_t flags);
SyscallResult SysSchedGetattr(Task& task, int pid, GuestAddr attr, uint32_t size, uint32_t flags);

// kcmp.cc
SyscallResult SysKcmp(Task& task, int pid1, int pid2, int type, uint64_t index1, uint64_t index2);

// resources.cc (limits, usage, priorities, affinity)
SyscallResult SysGetrlimit(Task& task, int resource, GuestAddr addr);
SyscallResult SysSetrlimit(Task& task, int resource, GuestAddr addr);
SyscallResult SysPrlimit64(Task& task, int pid, int resource, GuestAddr new_addr, GuestAddr old_addr);
SyscallResult SysGetrusage(Task& task, int who, GuestAddr addr);
SyscallResult SysGetpriority(Task& task, int which, int who);
SyscallResult SysIoprioSet(Task& task, int which, int who, int priority);
SyscallResult SysIoprioGet(Task& task, int which, int who);
SyscallResult SysSetpriority(Task& task, int which, int who, int nice);
SyscallResult SysSchedSetaffinity(Task& task, int pid, uint32_t size, GuestAddr addr);
SyscallResult SysSchedGetaffinity(Task& task, int pid, uint32_t size, GuestAddr addr);
SyscallResult SysGetcpu(Task& task, GuestAddr cpu_addr, GuestAddr node_addr);
SyscallResult SysPersonality(Task& task, uint32_t persona);
SyscallResult SysArchPrctl(Task& task, int code, GuestAddr addr);

// poll.cc
SyscallResult SysPoll(Task& task, GuestAddr fds, uint32_t count, int timeout_ms);
SyscallResult SysPpoll(Task& task, GuestAddr fds, uint32_t count, GuestAddr timeout, GuestAddr mask,
                       uint64_t mask_size);
SyscallResult SysSelect(Task& task, int count, GuestAddr in, GuestAddr out, GuestAddr except, GuestAddr timeout);
SyscallResult SysPselect6(Task& task, int count, GuestAddr in, GuestAddr out, GuestAddr except, GuestAddr timeout,
                          GuestAddr mask_arg);
SyscallResult SysEpollCreate1(Task& task, int flags);
SyscallResult SysEpollCreate(Task& task, int size);
SyscallResult SysEpollCtl(Task& task, int epoll_fd, int op, int fd, GuestAddr event_addr);
SyscallResult SysEpollWait(Task& task, int fd, GuestAddr events, int max_events, int timeout_ms);
SyscallResult SysEpollPwait(Task& task, int fd, GuestAddr events, int max_events, int timeout_ms, GuestAddr mask,
                            uint64_t mask_size);
SyscallResult SysEpollPwait2(Task& task, int fd, GuestAddr events, int max_events, GuestAddr timeout, GuestAddr mask,
                             uint64_t mask_size);

// sockets.cc
SyscallResult SysSocket(Task& task, int domain, int type, int protocol);
SyscallResult SysSocketpair(Task& task, int domain, int type, int protocol, GuestAddr fds_addr);
SyscallResult SysBind(Task& task, int fd, GuestAddr addr, int size);
SyscallResult SysListen(Task& task, int fd, int backlog);
SyscallResult SysAccept(Task& task, int fd, GuestAddr addr, GuestAddr size_addr);
SyscallResult SysAccept4(Task& task, int fd, GuestAddr addr, GuestAddr size_addr, int flags);
SyscallResult SysConnect(Task& task, int fd, GuestAddr addr, int size);
SyscallResult SysGetsockname(Task& task, int fd, GuestAddr addr, GuestAddr size_addr);
SyscallResult SysGetpeername(Task& task, int fd, GuestAddr addr, GuestAddr size_addr);
SyscallResult SysShutdown(Task& task, int fd, int how);
SyscallResult SysSetsockopt(Task& task, int fd, int level, int name, GuestAddr addr, int size);
SyscallResult SysGetsockopt(Task& task, int fd, int level, int name, GuestAddr addr, GuestAddr size_addr);
SyscallResult SysSendto(Task& task, int fd, GuestAddr buf, uint64_t size, int flags, GuestAddr addr, int addr_size);
SyscallResult SysRecvfrom(Task& task, int fd, GuestAddr buf, uint64_t size, int flags, GuestAddr addr,
                          GuestAddr size_addr);
SyscallResult SysSendmsg(Task& task, int fd, GuestAddr msg, int flags);
SyscallResult SysRecvmsg(Task& task, int fd, GuestAddr msg, int flags);
SyscallResult SysSendmmsg(Task& task, int fd, GuestAddr messages, uint32_t count, int flags);
SyscallResult SysRecvmmsg(Task& task, int fd, GuestAddr messages, uint32_t count, int flags, GuestAddr timeout);

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

// pidfd.cc
SyscallResult SysPidfdOpen(Task& task, int pid, uint32_t flags);
SyscallResult SysPidfdSendSignal(Task& task, int fd, int signo, GuestAddr info, uint32_t flags);
SyscallResult SysPidfdGetfd(Task& task, int fd, int target_fd, uint32_t flags);

// seccomp.cc
SyscallResult SysSeccomp(Task& task, uint32_t operation, uint32_t flags, GuestAddr args);

// namespaces.cc
SyscallResult SysUnshare(Task& task, uint64_t flags);
SyscallResult SysSetns(Task& task, int fd, int flags);
SyscallResult SysPivotRoot(Task& task, GuestAddr new_root, GuestAddr put_old);

// ptrace.cc
SyscallResult SysPtrace(Task& task, int64_t request, int pid, uint64_t addr, uint64_t data);

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
