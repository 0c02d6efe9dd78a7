// See spawn_unsafe.h.
#include "platform/stub/spawn_unsafe.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "platform/stub/stub_layout.h"
#include "platform/stub/stub_symbols.h"

namespace runsc::stub {
namespace {

constexpr int kMsealSyscall = 462;

struct KernelSigaction {
  uint64_t handler, flags, restorer, mask;
};

[[noreturn]] void Die(int stage) {
  for (;;) syscall(SYS_exit_group, 100 + stage);
}

void MapShared(uint64_t addr, uint64_t size, int prot, int fd, uint64_t offset, int stage) {
  void* at = mmap(reinterpret_cast<void*>(addr), size, prot, MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(offset));
  if (at != reinterpret_cast<void*>(addr)) Die(stage);
}

void MapRegion(const SpawnParams& p) {
  void* region = mmap(reinterpret_cast<void*>(STUB_BASE), STUB_END - STUB_BASE, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (region != reinterpret_cast<void*>(STUB_BASE)) Die(1);
  MapShared(STUB_BASE, STUB_TEXT_SIZE, PROT_READ | PROT_EXEC, p.text_fd, 0, 2);
  MapShared(STUB_COMMAND, ACK_OFFSET, PROT_READ, p.commands_read_only_fd, p.command_offset, 3);
  MapShared(STUB_ACK, 0x1000, PROT_READ | PROT_WRITE, p.commands_fd, p.command_offset + ACK_OFFSET, 4);
  void* local = mmap(reinterpret_cast<void*>(STUB_LOCAL), STUB_LOCAL_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (local != reinterpret_cast<void*>(STUB_LOCAL)) Die(5);
  for (const MovedMapping& m : p.vdso) {
    void* at = mremap(reinterpret_cast<void*>(m.from), m.size, m.size, MREMAP_MAYMOVE | MREMAP_FIXED,
                      reinterpret_cast<void*>(m.to));
    if (at != reinterpret_cast<void*>(m.to)) Die(6);
  }
}

// glibc registered its per-thread area with the kernel, which would write to it after it is gone.
void DropRseq() {
  if (__rseq_size == 0) return;
  char* area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
  for (uint32_t size : {32u, static_cast<uint32_t>(__rseq_size)}) {
    if (syscall(SYS_rseq, area, size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0) return;
  }
}

void SetHandler(int signal, uint64_t handler, uint64_t flags) {
  constexpr uint64_t kRestorer = 0x04000000;
  const KernelSigaction action{handler, flags | kRestorer, stub_symbol::signal_restorer, 0};
  if (syscall(SYS_rt_sigaction, signal, &action, nullptr, 8) != 0) Die(7);
}

// Every signal is either ours or ignored: a terminal's ^C must not end a guest behind the sentry's
// back. A tracer sees those that are ignored too; a thread that lost its tracer dies of the next forced one.
void SetHandlers(bool traced) {
  constexpr uint64_t kFlags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (int signal = 1; signal <= 64; signal++) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    SetHandler(signal, 1 /* SIG_IGN */, 0);
  }
  if (!traced) {
    SetHandler(SIGSYS, stub_symbol::on_sigsys, kFlags);
    SetHandler(kKickSignal, stub_symbol::on_kick, kFlags);
    for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) SetHandler(signal, stub_symbol::on_fault, kFlags);
  }
  const uint64_t all = ~0UL;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, 8);
}

[[noreturn]] void RunStub(const SpawnParams& p) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 1);  // or the sentry may not copy from and to it
  prctl(PR_SET_NAME, "stub");
  DropRseq();
  SetHandlers(p.traced);
  MapRegion(p);
  syscall(kMsealSyscall, STUB_BASE, STUB_TEXT_SIZE, 0);
  const sock_fprog program{static_cast<unsigned short>(p.filter.size()), const_cast<sock_filter*>(p.filter.data())};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) Die(8);
  register uint64_t r14 asm("r14") = p.secret;
  register uint64_t r12 asm("r12") = STUB_COMMAND;
  register uint64_t r15 asm("r15") = p.sealed_from;
  register uint64_t rbx asm("rbx") = p.sealed_to;
  asm volatile("mov %1, %%rsp; jmp *%0"
               :
               : "r"(stub_symbol::stub_helper_init), "r"(p.tag_key), "r"(r14), "r"(r12), "r"(r15), "r"(rbx)
               : "memory");
  __builtin_unreachable();
}

}  // namespace

pid_t SpawnTemplate(const SpawnParams& params) {
  // No exit signal: the sentry watches stubs by pidfd and gets no SIGCHLD for them.
  const long pid = syscall(SYS_clone, CLONE_FILES, 0, 0, 0, 0);
  if (pid == 0) RunStub(params);
  return pid < 0 ? -errno : static_cast<pid_t>(pid);
}

}  // namespace runsc::stub
