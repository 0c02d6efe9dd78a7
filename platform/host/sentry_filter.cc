// The host system calls a running sentry may make, and why. Stubs have their own, smaller filter.
//
// Not here, and to stay so: execve, socket, connect, bind, mount, setns, unshare, fork, open
// of anything but the sentry's own procfs, and any change of ids or capabilities.
#include "platform/host/sentry_filter.h"

#include <asm/ptrace-abi.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/ptrace.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <termios.h>

#include <cerrno>

#include "platform/base/map_query.h"

namespace runsc {
namespace {

using Calls = std::vector<AllowedCall>;

constexpr uint64_t kThreadFlags = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_FILES;
constexpr uint64_t kNeverFlags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                                 CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_PTRACE;

void AddFileIo(Calls& calls) {
  calls.insert(calls.end(), {
                                {SYS_read, "stdio, eventfds, timerfds and the control socket"},
                                {SYS_write, "stdio, wake-ups by eventfd, the debug log"},
                                {SYS_pread64, "guest reads of files the gofer opened"},
                                {SYS_pwrite64, "guest writes to host files, memfds"},
                                {SYS_preadv2, "stdio reads that must not wait (RWF_NOWAIT)"},
                                {SYS_pwritev2, "stdio writes that must not wait (RWF_NOWAIT)"},
                                {SYS_lseek, "SEEK_DATA and SEEK_HOLE, the shared offset of host stdio"},
                                {SYS_close, "descriptors of closed files"},
                                {SYS_newfstatat, "size and times of a descriptor held", {ArgIs(3, AT_EMPTY_PATH)}},
                                {SYS_ftruncate, "guest truncation of open files, growth of memfds"},
                                {SYS_fallocate, "guest fallocate, holes in memfds"},
                                {SYS_fsync, "guest fsync of host files"},
                                {SYS_fdatasync, "guest fdatasync of host files"},
                                {SYS_fcntl, "status flags of stdio", {ArgIs(1, F_GETFL)}},
                                {SYS_fcntl, "status flags of stdio", {ArgIs(1, F_SETFL)}},
                                {SYS_fcntl, "duplicates of descriptors", {ArgIs(1, F_DUPFD_CLOEXEC)}},
                                {SYS_fcntl, "close-on-exec of descriptors received", {ArgIs(1, F_SETFD)}},
                                {SYS_fcntl, "seals on memfds", {ArgIs(1, F_ADD_SEALS)}},
                                {SYS_memfd_create, "memory of tmpfs files and shared mappings"},
                            });
}

void AddTerminal(Calls& calls) {
  const unsigned long requests[] = {FIONREAD, TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGWINSZ, TIOCSWINSZ, TIOCOUTQ};
  for (unsigned long request : requests) {
    calls.push_back(
        {SYS_ioctl, "size, modes and queue of host stdio and terminals", {ArgIs(1, static_cast<uint32_t>(request))}});
  }
}

void AddMemory(Calls& calls) {
  calls.insert(
      calls.end(),
      {
          {SYS_mmap, "heap, thread stacks, memfd windows; never executable", {ArgLacksBits(2, PROT_EXEC)}},
          {SYS_munmap, "heap and thread stacks given back"},
          {SYS_mprotect, "guard pages of thread stacks; never executable", {ArgLacksBits(2, PROT_EXEC)}},
          {SYS_mremap, "large blocks of the heap growing"},
          {SYS_madvise, "heap and stack pages given back"},
          {SYS_brk, "heap of the C library"},
          {SYS_process_vm_readv, "guest memory: host checks that the stub is ours"},
          {SYS_process_vm_writev, "guest memory: host checks that the stub is ours"},
          {SYS_ioctl, "what a stub has mapped at an address (its /proc/PID/maps)", {ArgIs(1, kMapQueryRequest)}},
      });
}

void AddThreads(Calls& calls) {
  calls.insert(
      calls.end(),
      {
          {SYS_clone, "one thread per guest thread; never a process", {ArgBits(0, kThreadFlags, kNeverFlags)}},
          {SYS_clone3, "flags are out of a filter's reach: the C library then takes clone", {}, ENOSYS},
          {SYS_futex, "locks, and the hand-off with stubs"},
          {SYS_set_robust_list, "thread start in the C library"},
          {SYS_rseq, "thread start in the C library"},
          {SYS_rt_sigprocmask, "thread start and end in the C library"},
          {SYS_rt_sigaction, "fault handlers of the memory copy"},
          {SYS_rt_sigreturn, "return from signal handlers"},
          {SYS_sched_yield, "short waits for a stub on the same CPU"},
          {SYS_sched_setaffinity, "keeping a guest thread and its sentry thread together"},
          {SYS_sched_getaffinity, "number of CPUs, guest sched_getaffinity"},
          {SYS_setpriority, "nice of guest threads", {ArgIs(0, PRIO_PROCESS)}},
          {SYS_sched_setscheduler, "policies of guest threads: never a real-time one", {ArgIs(1, SCHED_OTHER)}},
          {SYS_sched_setscheduler, "policies of guest threads: never a real-time one", {ArgIs(1, SCHED_BATCH)}},
          {SYS_sched_setscheduler, "policies of guest threads: never a real-time one", {ArgIs(1, SCHED_IDLE)}},
          {SYS_prctl, "timers as exact as the guest's", {ArgIs(0, PR_SET_TIMERSLACK)}},
          {SYS_prctl, "names of threads in host tools", {ArgIs(0, PR_SET_NAME)}},
          {SYS_gettid, "thread identity, abort"},
          {SYS_exit, "end of a thread"},
          {SYS_exit_group, "end of the sandbox"},
          {SYS_restart_syscall, "waits continued after SIGSTOP and SIGCONT"},
      });
}

void AddStubControl(Calls& calls) {
  calls.insert(calls.end(),
               {
                   {SYS_tgkill, "interrupting guest threads; pid namespace holds only stubs"},
                   {SYS_kill, "ending stubs; pid namespace holds only stubs"},
                   {SYS_waitid, "reaping stubs"},
                   {SYS_pidfd_open, "noticing the end of a stub"},
                   {SYS_prlimit64, "guest RLIMIT_AS, enforced on the stub", {ArgIs(1, RLIMIT_AS)}},
                   {SYS_prlimit64, "guest RLIMIT_DATA, enforced on the stub", {ArgIs(1, RLIMIT_DATA)}},
                   {SYS_prlimit64, "guest RLIMIT_STACK, enforced on the stub", {ArgIs(1, RLIMIT_STACK)}},
                   {SYS_prlimit64, "guest RLIMIT_MEMLOCK, enforced on the stub", {ArgIs(1, RLIMIT_MEMLOCK)}},
                   {SYS_getrusage, "faults and switches in /proc/vmstat and /proc/stat"},
               });
}

void AddWaiting(Calls& calls) {
  calls.insert(calls.end(), {
                                {SYS_ppoll, "waits for stdio and the control socket"},
                                {SYS_epoll_create1, "one loop for host descriptors guests wait for"},
                                {SYS_epoll_ctl, "one loop for host descriptors guests wait for"},
                                {SYS_epoll_wait, "one loop for host descriptors guests wait for"},
                                {SYS_clock_nanosleep, "sleeps of service threads"},
                                {SYS_clock_gettime, "CPU clocks of threads, which the vDSO cannot read"},
                                {SYS_getrandom, "guest /dev/urandom and getrandom"},
                                {SYS_sysinfo, "total memory, for tmpfs sizes, /proc/meminfo and guest sysinfo"},
                            });
}

void AddSockets(Calls& calls) {
  calls.insert(calls.end(), {
                                {SYS_sendmsg, "gofer calls, control socket"},
                                {SYS_recvmsg, "gofer replies with descriptors, control socket"},
                                {SYS_accept4, "connections to the control socket"},
                                {SYS_getsockopt, "who is at the other end of the control socket"},
                            });
}

// Only for the engine that needs it (docs/adr/0011-ptrace-for-the-ptrace-engine.md). waitid is there already.
void AddTracing(Calls& calls) {
  calls.insert(
      calls.end(),
      {
          {SYS_ptrace,
           "becoming the tracer of a stub's new thread; pid namespace holds only stubs",
           {ArgIs(0, PTRACE_SEIZE)}},
          {SYS_ptrace, "stopping that thread where it waits", {ArgIs(0, PTRACE_INTERRUPT)}},
          {SYS_ptrace, "letting a stub's thread make a host call that its own filter judges", {ArgIs(0, PTRACE_CONT)}},
          {SYS_ptrace, "running guest code up to its next call", {ArgIs(0, PTRACE_SYSEMU)}},
          {SYS_ptrace, "arguments of guest calls", {ArgIs(0, PTRACE_GETREGS)}},
          {SYS_ptrace, "results of guest calls, signal frames", {ArgIs(0, PTRACE_SETREGS)}},
          {SYS_ptrace, "floating point state for signal frames", {ArgIs(0, PTRACE_GETREGSET)}},
          {SYS_ptrace, "floating point state of new threads and from signal frames", {ArgIs(0, PTRACE_SETREGSET)}},
          {SYS_ptrace, "faults of guest code", {ArgIs(0, PTRACE_GETSIGINFO)}},
          {SYS_ptrace, "telling 32-bit calls apart", {ArgIs(0, PTRACE_GET_SYSCALL_INFO)}},
      });
}

void AddProcfs(Calls& calls, int proc_root) {
  calls.push_back({SYS_openat,
                   "probes of host files that are not there: the root is empty",
                   {ArgIs(0, static_cast<uint32_t>(AT_FDCWD))},
                   ENOENT});
  if (proc_root < 0) return;
  calls.push_back({SYS_openat,
                   "maps and status of stubs, read-only, in our own procfs",
                   {ArgIs(0, static_cast<uint32_t>(proc_root)),
                    ArgLacksBits(2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))}});
}

}  // namespace

std::vector<AllowedCall> SentryFilter(int proc_root, bool traces_stubs) {
  Calls calls;
  AddFileIo(calls);
  AddTerminal(calls);
  AddMemory(calls);
  AddThreads(calls);
  AddStubControl(calls);
  AddWaiting(calls);
  AddSockets(calls);
  AddProcfs(calls, proc_root);
  if (traces_stubs) AddTracing(calls);
  return calls;
}

}  // namespace runsc
