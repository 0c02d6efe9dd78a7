// Declarations of the stub: freestanding code that runs in guest address spaces.
#pragma once

#include <asm/unistd.h>

#include "platform/stub/stub_layout.h"

#pragma GCC visibility push(hidden)  // linked at a fixed address: no indirection

namespace runsc::stub {

// The tail of the kernel's ucontext, on x86-64.
struct MachineContext {
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
  uint16_t cs, gs, fs, ss;
  uint64_t error, trapno, oldmask, cr2, fpstate;
};

struct UserContext {
  uint64_t flags, link, stack[3];
  MachineContext m;
};

struct SignalInfo {
  int32_t signo, error, code, pad;
  uint64_t addr;  // or the call address for SIGSYS
  int32_t call;
  uint32_t arch;
};

extern "C" {
extern char exit_fast[], exit_fast_end[], exit_mem[], exit_live[], exit_live_end[];
extern char native_check[], native_after[], native_interrupted[];
extern char safe_copy_end[], safe_fault[], safe_string_end[], safe_probe_write_end[], safe_cmpxchg_end[];
int64_t safe_copy(void* dst, const void* src, uint64_t n);
int64_t safe_string(void* dst, const void* src, uint64_t max);
int64_t safe_probe_write(void* at);
int64_t safe_cmpxchg(uint64_t at, uint32_t old_value, uint32_t new_value);  // 0: exchanged, 1: not, or -EFAULT
extern char safe_cmpxchg8_end[];
int64_t safe_cmpxchg8(uint64_t at, uint64_t old_value, uint64_t new_value);  // the same, eight bytes
int64_t native_call(ThreadPage* t, uint64_t number, const uint64_t* args);
[[noreturn]] void thread_exit();
[[noreturn]] void resume_frame(MachineContext* m, uint64_t fp, uint64_t mask);
void tramp_entry();
void tramp_main(ThreadPage* t);
[[noreturn]] void kicked(ThreadPage* t);
[[noreturn]] void thread_start(ThreadPage* t);
[[noreturn]] void thread_restart(ThreadPage* t);
[[noreturn]] void thread_park(ThreadPage* t);
}

inline const volatile InfoPage& Info() { return *reinterpret_cast<const InfoPage*>(STUB_INFO); }
inline LocalPages& Local() { return *reinterpret_cast<LocalPages*>(STUB_LOCAL); }

inline int64_t Syscall(uint64_t number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0, uint64_t e = 0,
                       uint64_t f = 0) {
  register uint64_t r10 asm("r10") = d;
  register uint64_t r8 asm("r8") = e;
  register uint64_t r9 asm("r9") = f;
  int64_t result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

template <typename T>
inline bool CopyFromGuest(T* dst, uint64_t addr) {
  return safe_copy(dst, reinterpret_cast<const void*>(addr), sizeof(T)) == 0;
}
template <typename T>
inline bool CopyToGuest(uint64_t addr, const T& value) {
  return safe_copy(reinterpret_cast<void*>(addr), &value, sizeof(T)) == 0;
}

// The CPU this thread runs on, from the segment limit the kernel keeps it in.
inline uint32_t CurrentCpu() {
  uint32_t limit = 0;
  asm volatile("lsl %1, %0" : "+r"(limit) : "r"(0x7bu) : "cc");
  return limit & 0xfff;
}

inline uint64_t Cycles() {
  uint32_t lo, hi;
  asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
  return lo | static_cast<uint64_t>(hi) << 32;
}

struct Call {
  uint64_t number;
  uint64_t args[6];
};

// Hands `call` to the sentry and carries out its answer. True: ThreadRegs were replaced as a whole,
// leave by Finish.
bool Remote(ThreadPage* t, EventKind kind, const Call& call, uint32_t meta);
// Waits for the answer to a request already posted.
bool AwaitReply(ThreadPage* t, const Call& call, uint32_t meta);
// Tells who waits for the end of this thread.
void ClearTid(ThreadPage* t);
// Posts an engine-internal question; its answer.
uint64_t Ask(ThreadPage* t, EventKind kind, uint64_t arg);
// Serves the call in ThreadRegs; same result as Remote.
bool ServeSyscall(ThreadPage* t, uint32_t meta);
// Resumes the guest at ThreadRegs.
[[noreturn]] void Finish(ThreadPage* t);

// futex(2) with an operation on a word that names its owner (pi_futex.h).
int64_t PiFutexOfThread(ThreadPage* t, const uint64_t* args);

// write(2), if it goes to the write-behind of the thread. False: ask the sentry.
bool QueueWrite(ThreadPage* t, const uint64_t* args);

// brk(2), where Info() says that the stub answers it.
int64_t Break(uint64_t to);

// Rewrites the call site if it is worth it and safe; the address to return to afterwards.
uint64_t MaybePatch(ThreadPage* t, uint64_t after_site);
// Undoes all rewriting in this address space, for good: thunks need %gs.
void StopPatching();
void RestoreAllSites();
// Gives the thread the %gs base its guest wants; the first one that is not 0 stops rewriting.
void SetGsBase(ThreadPage* t, uint64_t base);
// The engine's own again, before the thread serves another guest thread or program.
void TakeBackGs(ThreadPage* t);
// The guest-visible address for an address that may be inside a thunk.
uint64_t CanonicalRip(uint64_t rip);
// The inverse: where to resume for an address that may be inside a rewritten call site.
uint64_t ResumableRip(uint64_t rip);
// True if the trap at `rip` - 1 is our own half-written jump.
bool IsPatchTrap(uint64_t rip);
// True if thunks, which guests do not see, lie in [addr, addr + length).
bool OverlapsThunks(uint64_t addr, uint64_t length);
// Around a call that changes mappings: none while a site is being rewritten, which changes protections
// back to what they were.
void EnterMapping();
void LeaveMapping();
// In a new process: undoes a rewrite the fork cut in half.
void RepairAfterFork();

}  // namespace runsc::stub

#pragma GCC visibility pop
