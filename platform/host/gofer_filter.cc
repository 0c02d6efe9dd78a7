// The host system calls a running gofer may make, and why.
#include "platform/host/gofer_filter.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>

namespace runsc {
namespace {

using Calls = std::vector<AllowedCall>;

constexpr uint64_t kThreadFlags = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_FILES;
constexpr uint64_t kNeverFlags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                                 CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_PTRACE;

void AddLookup(Calls& calls) {
  calls.insert(
      calls.end(),
      {
          {SYS_openat2, "every lookup and creation, beneath a directory held"},
          {SYS_openat, "an O_PATH descriptor opened through /proc/self/fd; unnamed files", {ArgLacksBits(2, O_CREAT)}},
          {SYS_close, "handles given back"},
          {SYS_statx, "attributes of files"},
          {SYS_newfstatat, "type check of what was opened", {ArgIs(3, AT_EMPTY_PATH)}},
          {SYS_fstatfs, "guest statfs"},
          {SYS_readlinkat, "targets of symlinks"},
          {SYS_getdents64, "listing of directories"},
          {SYS_fsync, "guest fsync and fdatasync of directories"},
          {SYS_lseek, "listing of directories from a cursor"},
      });
}

void AddChanges(Calls& calls) {
  calls.insert(calls.end(), {
                                {SYS_mkdirat, "guest mkdir"},
                                {SYS_symlinkat, "guest symlink"},
                                {SYS_linkat, "guest link"},
                                {SYS_unlinkat, "guest unlink and rmdir"},
                                {SYS_renameat2, "guest rename"},
                                {SYS_ftruncate, "guest truncate by name"},
                                {SYS_fchownat, "owners of new files, guest chown", {ArgIs(4, AT_EMPTY_PATH)}},
                                {SYS_fchmodat, "modes of new files, guest chmod"},
                                {SYS_utimensat, "guest utimensat", {ArgIs(3, AT_EMPTY_PATH)}},
                                {SYS_fgetxattr, "guest getxattr"},
                                {SYS_fsetxattr, "guest setxattr"},
                                {SYS_flistxattr, "guest listxattr"},
                                {SYS_fremovexattr, "guest removexattr"},
                            });
  for (uint32_t type : {S_IFREG, S_IFIFO, S_IFSOCK}) {
    calls.push_back({SYS_mknodat, "guest mknod, never of a device", {{2, S_IFMT, type}}});
  }
}

void AddProcess(Calls& calls) {
  calls.insert(calls.end(),
               {
                   {SYS_recvmsg, "requests"},
                   {SYS_sendmsg, "replies with descriptors"},
                   {SYS_write, "last words on stderr"},
                   {SYS_futex, "locks of the C library, threads joined"},
                   {SYS_mmap, "heap and thread stacks; never executable", {ArgLacksBits(2, PROT_EXEC)}},
                   {SYS_munmap, "heap and thread stacks given back"},
                   {SYS_mprotect, "guard pages; never executable", {ArgLacksBits(2, PROT_EXEC)}},
                   {SYS_madvise, "thread stacks given back"},
                   {SYS_brk, "heap of the C library"},
                   {SYS_mremap, "large blocks of the heap growing"},
                   {SYS_clone, "a thread per connection; never a process", {ArgBits(0, kThreadFlags, kNeverFlags)}},
                   {SYS_clone3, "flags are out of a filter's reach: the C library then takes clone", {}, ENOSYS},
                   {SYS_set_robust_list, "thread start in the C library"},
                   {SYS_rseq, "thread start in the C library"},
                   {SYS_rt_sigprocmask, "thread start and end in the C library"},
                   {SYS_rt_sigaction, "start of the first thread in the C library"},
                   {SYS_rt_sigreturn, "return from signal handlers of the C library"},
                   {SYS_sched_setaffinity, "serving a caller on the CPU it waits on", {ArgIs(0, 0)}},
                   {SYS_prlimit64, "descriptor limit raised once at start"},
                   {SYS_exit, "end of a connection's thread"},
                   {SYS_exit_group, "end of the gofer"},
                   {SYS_restart_syscall, "waits continued after SIGSTOP and SIGCONT"},
               });
}

}  // namespace

std::vector<AllowedCall> GoferFilter() {
  Calls calls;
  AddLookup(calls);
  AddChanges(calls);
  AddProcess(calls);
  return calls;
}

}  // namespace runsc
