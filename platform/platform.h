// How guest code is run: the only thing the sentry knows about an engine.
//
// An AddressSpace is one guest address space (a host process: the stub). A Context is one guest
// thread in it (a host thread of the stub). The sentry has one thread per Context, which loops:
//   Event e = context.Run();  // guest runs until it needs the kernel
//   ... serve e ...;  context.SetSyscallResult(rv);
// Guest memory is the stub's own: mmap/munmap/mprotect/madvise of anonymous private memory never reach
// the sentry (docs/platforms.md lists what the engine answers by itself).
#pragma once

#include <signal.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/base/result.h"

namespace runsc {

// An address in the guest. Never dereferenced by the sentry.
using GuestAddr = uint64_t;

// General registers, in the order of Linux's struct user_regs_struct (sys/user.h), so ptrace and core
// files can copy it whole.
struct Registers {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, eflags, rsp, ss,
      fs_base, gs_base, ds, es, fs, gs;
};

// System calls by number.
using CallSet = std::bitset<512>;

struct SyscallRequest {
  uint64_t number;  // all 64 bits of rax as the guest gave them; x32 and garbage are not masked
  uint64_t args[6];
};

// A hardware fault the guest took, as Linux would report it in siginfo.
struct FaultInfo {
  int signo;       // one that IsSignal
  int code;        // si_code
  GuestAddr addr;  // si_addr
  uint64_t trapno, error_code;

  static bool IsSignal(int signo) {
    return signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL || signo == SIGTRAP;
  }
};

struct Event {
  enum Kind {
    kSyscall,
    kFault,
    kInterrupted,  // Interrupt() was called; registers are the guest's at an arbitrary instruction
    kKilled,       // the stub is gone (killed from outside, or AddressSpace::Kill)
  } kind;
  // For kSyscall: the call was already tried in the stub and a host signal cut it short (native
  // futex wait). The kernel delivers a signal if one is pending, else replies Resubmit().
  bool was_interrupted = false;
  SyscallRequest syscall;
  FaultInfo fault;
};

// What a new guest thread starts with.
struct ThreadStart {
  Registers regs;
  std::vector<std::byte> fp_state;      // XSAVE image (ReadFpState of the parent); empty = initial state
  int32_t tid = 0, tgid = 0, ppid = 0;  // guest-visible, for the engine's own answers
  uint32_t uid = 0, euid = 0, gid = 0, egid = 0;
  uint64_t signal_mask = 0;
  GuestAddr set_child_tid = 0;    // store tid here in the child before it runs (CLONE_CHILD_SETTID)
  GuestAddr clear_child_tid = 0;  // zero and futex-wake at thread exit (CLONE_CHILD_CLEARTID)
};

// One step of a batch of mapping changes, executed in the stub in order. What unmaps or moves a mapping with a
// host_fd is forwarded from then on, so that the kernel knows what is mapped. kReserve, in an exec's batch: from addr
// on nothing is placed unless asked to be there; the range is no mapping of the guest's, so calls about it that would
// succeed (mprotect, madvise) are forwarded. host_fd tells it from the guest's mappings in /proc.
struct MapOp {
  enum Kind { kMap, kUnmap, kProtect, kRemap, kAdvise, kLock, kUnlock, kLockAll, kUnlockAll, kReserve } kind;
  GuestAddr addr = 0;
  uint64_t length = 0;
  int prot = 0;
  int flags = 0;     // MAP_*; kAdvise: the advice; kRemap: MREMAP_*; kLock: MLOCK_*; kLockAll: MCL_*
  int host_fd = -1;  // file to map, or -1 for anonymous
  uint64_t offset = 0;
  uint64_t new_length = 0;  // kRemap
  GuestAddr new_addr = 0;   // kRemap with MREMAP_FIXED
};

// Identity the engine answers getpid & co. from. Kept per thread because a vfork child shares its
// parent's address space.
struct ThreadIdentity {
  int32_t tid, tgid, ppid;
  uint32_t uid, euid, gid, egid;
};

class AddressSpace;
class WriteQueue;

// One guest thread. All methods but Interrupt are for the owning sentry thread only.
class Context {
 public:
  virtual ~Context() = default;  // ends the host thread if it still exists

  // Resumes the guest and returns its next event. With nothing to resume after a kKilled.
  virtual Event Run() = 0;
  // Before the first Run, by whoever made this: the guest begins now, and that Run only waits for its first event.
  // False: not with this engine, the first Run begins it.
  virtual bool Launch() { return false; }
  // The caller will sleep before it runs the guest again: others may have what the engine keeps ready for
  // this thread, such as a CPU to spin on. At an event.
  virtual void GoIdle() {}

  // Completes the current kSyscall event: rax for the next Run. After WriteRegisters: rax of those.
  virtual void SetSyscallResult(int64_t rax) = 0;
  // Completes the current kSyscall event by having the stub execute this host call itself (only the
  // memory calls and futex its filter allows), whose result becomes rax.
  // `report`: the guest does not go on after it; Run returns kInterrupted then, with the result in rax.
  virtual void SubmitNative(const SyscallRequest& call, bool report) = 0;

  // Registers at the last event. rip is after the syscall instruction for kSyscall and rax holds the
  // syscall number until SetSyscallResult. May cost one more round trip to the stub.
  virtual const Registers& ReadRegisters() = 0;
  // Makes the next Run resume from exactly these registers (segment selectors are ignored; rflags is
  // sanitised). Overrides SetSyscallResult. Staged buffers of the call are forgotten: what it reads from
  // now on is read from the guest.
  virtual void WriteRegisters(const Registers& regs) = 0;
  // The XSAVE image (standard format, as in a signal frame) at the last event.
  virtual std::span<const std::byte> ReadFpState() = 0;
  virtual void WriteFpState(std::span<const std::byte> xsave) = 0;

  // Makes the guest stop soon: Run returns kInterrupted, or the event that came first. Callable from
  // any thread, any time, idempotent. A Context that is not inside Run returns at once from its next.
  virtual void Interrupt() = 0;

  virtual void SetIdentity(const ThreadIdentity& identity) = 0;
  // The engine answers rt_sigprocmask by itself; both sides agree on the mask through these two.
  // Unblocking a pending signal is noticed because the stub calls the sentry when
  // SetPendingSignals() & ~new_mask is not empty. SignalMask is callable from any thread.
  virtual uint64_t SignalMask() const = 0;
  virtual void SetSignalMask(uint64_t mask) = 0;
  virtual void SetPendingSignals(uint64_t pending) = 0;
  virtual void SetClearChildTid(GuestAddr addr) = 0;
  // set_robust_list(2), which the engine may answer by itself. Callable from any thread.
  virtual GuestAddr RobustList() const = 0;
  virtual void SetRobustList(GuestAddr head) = 0;
  // Calls the engine does not answer by itself: each becomes a kSyscall event (system call tracing, guest
  // seccomp). The kernel passes memory calls and futex back through SubmitNative.
  virtual void SetForwarded(const CallSet& calls) = 0;
  // While on, guest code reads as the guest wrote it: call sites the engine rewrote are put back, and no more
  // are rewritten in this address space. At an event.
  virtual void ShowOriginalCode(bool on) = 0;

  // Marshalling (design.md, section 4): guest bytes the stub already copied in for the current
  // kSyscall event, and room whose content the stub copies out after it. UserMemory asks these
  // before anything slower. The memory is shared with the guest: read each byte once.
  //
  // Bytes available at `addr`, at most `size`; empty if not staged.
  virtual std::span<const std::byte> StagedInput(GuestAddr addr, size_t size) = 0;
  // Room for exactly `size` bytes at `addr`, null if not staged. Grants must be consecutive from the
  // start of the argument: what was granted is what the stub copies out.
  virtual std::byte* StagedOutput(GuestAddr addr, size_t size) = 0;
  // Takes back the end of the last grant (a short read): only bytes below `end` are copied out. False:
  // cannot, the caller must fill what was granted.
  virtual bool TrimStagedOutput(GuestAddr end) { return false; }
  // What was granted at `addr` so far and not copied out yet, at most `size` bytes: for tracing.
  virtual std::span<const std::byte> GrantedOutput(GuestAddr addr, size_t size) { return {}; }

  // Where the guest thread may write by itself (write_queue.h); null: this engine has none.
  virtual WriteQueue* write_queue() { return nullptr; }

  // Ends the host thread: the CLEARTID word is cleared and woken, the slot freed.
  virtual void Exit() = 0;

  // Host CPU time used by the guest thread so far. Callable from any thread.
  virtual uint64_t CpuTimeNs() = 0;
  // Inside Run: whether the guest sleeps in a call that the engine answers by itself (futex). Callable from any thread.
  virtual bool Sleeps() = 0;
  virtual pid_t host_tid() const = 0;
};

// What who looks at the host's processes sees of one that runs a program.
struct HostLook {
  std::string_view name;
  GuestAddr arguments = 0;  // where in its memory; a NUL after each
  uint64_t arguments_size = 0;
};

// One guest address space. Thread-safe. Shared by all threads of a process, and by a vfork child.
class AddressSpace {
 public:
  virtual ~AddressSpace() = default;  // kills the stub

  struct Forked;
  // A copy-on-write copy with one thread.
  virtual Result<Forked> Fork(Context& parent, const ThreadStart& start) = 0;
  // Another thread in this address space (thread, vfork child).
  virtual Result<std::unique_ptr<Context>> NewContext(const ThreadStart& start) = 0;

  // Executes a batch; stops at the first failure and returns its errno. Results (addresses) of each
  // step executed are appended to *results when it is not null.
  virtual Result<void> Apply(std::span<const MapOp> ops, std::vector<uint64_t>* results) = 0;
  // exec: drops every guest mapping, then applies the batch.
  virtual Result<void> Replace(std::span<const MapOp> ops, const HostLook& look) = 0;

  // brk(2) by the engine: true if it answers by itself from now on, moving the break from `start` on and up to
  // `limit`. Called again when the limit changes; a fork inherits it, Replace ends it. The kernel passes a
  // brk that reaches it all the same back through SubmitNative. False: every brk is the kernel's.
  virtual bool ServeBreak(GuestAddr start, GuestAddr limit) { return false; }
  // Where the break is. Only after ServeBreak.
  virtual GuestAddr Break() { return 0; }

  // Copies between the sentry and guest memory. Returns the bytes copied before the first unmapped
  // or protected page (0 = EFAULT at once).
  virtual size_t CopyIn(GuestAddr addr, void* dst, size_t size) = 0;
  virtual size_t CopyOut(GuestAddr addr, const void* src, size_t size) = 0;

  // Atomic futex-style operations on a guest word, through the stub.
  virtual Result<int64_t> FutexWake(GuestAddr addr, uint32_t count, bool shared) = 0;

  // One-copy transfer between a host file and guest memory; offset -1 uses the file's own offset.
  virtual Result<size_t> ReadFromHost(int host_fd, int64_t offset, std::span<const iovec> guest) = 0;
  virtual Result<size_t> WriteToHost(int host_fd, int64_t offset, std::span<const iovec> guest) = 0;

  // SIGKILLs the stub. Every Context's Run returns kKilled.
  virtual void Kill() = 0;

  // The guest part of the host's /proc/PID/maps (stub areas removed), as the host prints it.
  // `file` is one of maps, smaps, smaps_rollup, status, stat, statm.
  virtual Result<std::string> ReadHostProc(const char* file) = 0;
  virtual pid_t host_pid() const = 0;
};

struct AddressSpace::Forked {
  std::unique_ptr<AddressSpace> address_space;
  std::unique_ptr<Context> context;
};

// Where guest memory may lie and where the engine put shared pages.
struct Layout {
  GuestAddr min_addr;   // lowest mappable address
  GuestAddr max_addr;   // one past the highest
  GuestAddr vdso_addr;  // AT_SYSINFO_EHDR, 0 if none
  size_t xsave_size;    // size of the FP state in signal frames
};

// Address spaces the host counts together: whatever cgroup and OOM adjustment the process host_pid() is given before
// the first is made, all have. They may outlive it. Thread-safe.
class AddressSpaceFamily {
 public:
  virtual ~AddressSpaceFamily() = default;
  virtual absl::StatusOr<std::unique_ptr<AddressSpace>> NewAddressSpace() = 0;  // as Platform's
  virtual pid_t host_pid() const = 0;
};

class Platform {
 public:
  virtual ~Platform() = default;
  // An empty address space whose first thread starts when NewContext is called.
  virtual absl::StatusOr<std::unique_ptr<AddressSpace>> NewAddressSpace() = 0;
  virtual absl::StatusOr<std::unique_ptr<AddressSpaceFamily>> NewFamily() = 0;
  virtual const Layout& layout() const = 0;
};

}  // namespace runsc
