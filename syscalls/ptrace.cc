// ptrace(2): requests decoded; what they do is in sentry/kernel/ptrace.h.
#include <elf.h>
#include <linux/audit.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include <algorithm>
#include <cstring>

#include "sentry/kernel/forced_access.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/trace_stop.h"
#include "syscalls/handlers.h"
#include "syscalls/trace_registers.h"

namespace runsc {
namespace {

constexpr uint64_t kKnownOptions = 0xff | PTRACE_O_EXITKILL;
constexpr size_t kWord = sizeof(uint64_t);
constexpr int kArchPrctl = 30;

struct Request {
  Task& task;
  int pid;
  uint64_t addr, data;
};

// Runs `f(tracee, state)` on a stopped tracee, nobody else changing it.
template <typename F>
auto OnTracee(const Request& r, F f) -> decltype(f(std::declval<Task&>(), std::declval<Tracee&>())) {
  MutexLock l(r.task.kernel().task_set_mu());
  Task* tracee = TRY(FindStoppedTraceeLocked(r.task, r.pid));
  return f(*tracee, *tracee->run().tracee);
}

Result<RefPtr<MemoryManager>> MemoryOfTracee(const Request& r) {
  return OnTracee(r, [](Task& tracee, Tracee&) -> Result<RefPtr<MemoryManager>> {
    RefPtr<MemoryManager> mm = tracee.MmSnapshot();
    return mm ? Result<RefPtr<MemoryManager>>(std::move(mm)) : Errno(EIO);
  });
}

Result<void> Peek(const Request& r) {
  const RefPtr<MemoryManager> mm = TRY(MemoryOfTracee(r));
  uint64_t word;
  if (ForceCopyIn(*mm, r.addr, &word, kWord) != kWord) return Errno(EIO);
  return r.task.CopyOutObject(r.data, word);
}

Result<void> Poke(const Request& r) {
  const RefPtr<MemoryManager> mm = TRY(MemoryOfTracee(r));
  return ForceCopyOut(*mm, r.addr, &r.data, kWord) == kWord ? Result<void>() : Errno(EIO);
}

// --- registers
Result<Registers> RegistersOf(const Request& r) {
  return OnTracee(r, [](Task&, Tracee& state) -> Result<Registers> { return state.regs; });
}

Result<void> SetRegisters(const Request& r, const Registers& regs) {
  return OnTracee(r, [&](Task&, Tracee& state) -> Result<void> {
    TRY(TakeRegisters(regs, state.regs));
    state.regs_changed = true;
    return {};
  });
}

Result<void> PeekUser(const Request& r) {
  const Registers regs = TRY(RegistersOf(r));
  return r.task.CopyOutObject(r.data, TRY(ReadUserArea(regs, r.addr)));
}

Result<void> PokeUser(const Request& r) {
  Registers regs = TRY(RegistersOf(r));
  TRY(WriteUserArea(regs, r.addr, r.data));
  return SetRegisters(r, regs);
}

Result<void> GetRegs(const Request& r) { return r.task.CopyOutObject(r.data, TRY(RegistersOf(r))); }

Result<void> SetRegs(const Request& r) {
  TRY(RegistersOf(r));
  return SetRegisters(r, TRY(r.task.CopyInObject<Registers>(r.data)));
}

Result<void> SetFp(const Request& r, std::span<const std::byte> image) {
  return OnTracee(r, [&](Task&, Tracee& state) -> Result<void> {
    state.fp.assign(image.begin(), image.end());
    state.fp_changed = true;
    return {};
  });
}

// A register set's bytes, to be read and written in part.
Result<std::vector<std::byte>> ReadSet(const Request& r, uint64_t type) {
  if (type == NT_PRSTATUS) {
    const Registers regs = TRY(RegistersOf(r));
    const auto* bytes = reinterpret_cast<const std::byte*>(&regs);
    return std::vector<std::byte>(bytes, bytes + sizeof(regs));
  }
  if (type != NT_PRFPREG && type != NT_X86_XSTATE) return Errno(EINVAL);
  std::vector<std::byte> image = TRY(ReadTraceeFp(r.task, r.pid));
  ShowFeatures(image);
  if (type == NT_PRFPREG) image.resize(sizeof(user_fpregs_struct));
  return image;
}

Result<void> WriteSet(const Request& r, uint64_t type, std::span<const std::byte> bytes) {
  if (type == NT_PRSTATUS) {
    Registers regs = TRY(RegistersOf(r));
    std::memcpy(&regs, bytes.data(), bytes.size());
    return SetRegisters(r, regs);
  }
  std::vector<std::byte> image = TRY(ReadTraceeFp(r.task, r.pid));
  TRY(type == NT_PRFPREG ? TakeLegacyFp(bytes, image) : TakeExtendedState(bytes, image));
  return SetFp(r, image);
}

Result<void> GetFpRegs(const Request& r) {
  const auto image = TRY(ReadSet(r, NT_PRFPREG));
  return r.task.CopyOut(r.data, image.data(), image.size());
}

Result<void> SetFpRegs(const Request& r) {
  std::vector<std::byte> image = TRY(ReadSet(r, NT_PRFPREG));
  TRY(r.task.CopyIn(r.data, image.data(), image.size()));
  return WriteSet(r, NT_PRFPREG, image);
}

// The caller's buffer, cut to the set's size; `current` is what the set holds.
struct SetTransfer {
  iovec iov;
  std::vector<std::byte> current;
  GuestAddr base() const { return reinterpret_cast<GuestAddr>(iov.iov_base); }
};

Result<SetTransfer> PrepareSet(const Request& r) {
  TRY(RegistersOf(r));
  SetTransfer t{TRY(r.task.CopyInObject<iovec>(r.data)), {}};
  t.current = TRY(ReadSet(r, r.addr));
  if (t.iov.iov_len % kWord != 0) return Errno(EINVAL);
  t.iov.iov_len = std::min(t.iov.iov_len, t.current.size());
  return t;
}

Result<void> GetRegSet(const Request& r) {
  const SetTransfer t = TRY(PrepareSet(r));
  TRY(r.task.CopyOut(t.base(), t.current.data(), t.iov.iov_len));
  return r.task.CopyOutObject(r.data, t.iov);
}

Result<void> SetRegSet(const Request& r) {
  const SetTransfer t = TRY(PrepareSet(r));
  std::vector<std::byte> bytes(t.iov.iov_len);
  TRY(r.task.CopyIn(t.base(), bytes.data(), bytes.size()));
  TRY(WriteSet(r, r.addr, bytes));
  return r.task.CopyOutObject(r.data, t.iov);
}

// addr is where the value is (set) or goes (get); data says which base.
Result<void> ArchPrctl(const Request& r) {
  constexpr uint64_t kSetGs = 0x1001, kSetFs = 0x1002, kGetFs = 0x1003, kGetGs = 0x1004;
  Registers regs = TRY(RegistersOf(r));
  switch (r.data) {
    case kGetFs:
      return r.task.CopyOutObject(r.addr, regs.fs_base);
    case kGetGs:
      return r.task.CopyOutObject(r.addr, regs.gs_base);
    case kSetFs:
      regs.fs_base = r.addr;
      return SetRegisters(r, regs);
    case kSetGs:
      regs.gs_base = r.addr;
      return SetRegisters(r, regs);
    default:
      return Errno(EINVAL);
  }
}

// --- signals and events
Result<void> GetSigInfo(const Request& r) {
  const siginfo_t info = TRY(OnTracee(r, [](Task&, Tracee& state) -> Result<siginfo_t> {
    return state.stop.info ? Result<siginfo_t>(*state.stop.info) : Errno(EINVAL);
  }));
  return r.task.CopyOutObject(r.data, info);
}

Result<void> SetSigInfo(const Request& r) {
  const siginfo_t info = TRY(r.task.CopyInObject<siginfo_t>(r.data));
  return OnTracee(r, [&](Task&, Tracee& state) -> Result<void> {
    if (!state.stop.info) return Errno(EINVAL);
    state.stop.info = info;
    return {};
  });
}

// Up to args.nr of the queued signals from args.off on. The number copied.
SyscallResult PeekSigInfo(const Request& r) {
  constexpr uint32_t kShared = 1;
  const auto args = TRY(r.task.CopyInObject<__ptrace_peeksiginfo_args>(r.addr));
  if ((args.flags & ~kShared) || args.nr < 0) return Errno(EINVAL);
  const std::vector<siginfo_t> queue = TRY(OnTracee(r, [&](Task& tracee, Tracee&) -> Result<std::vector<siginfo_t>> {
    return (args.flags & kShared) ? tracee.thread_group().pending.queue() : tracee.pending.queue();
  }));
  int64_t copied = 0;
  for (uint64_t i = args.off; i < queue.size() && copied < args.nr; ++i, ++copied) {
    const auto done = r.task.CopyOutObject(r.data + static_cast<uint64_t>(copied) * sizeof(siginfo_t), queue[i]);
    if (!done.ok()) return copied > 0 ? SyscallResult(copied) : done.error();
  }
  return copied;
}

Result<void> GetSigMask(const Request& r) {
  const SignalSet mask = TRY(OnTracee(r, [&](Task& tracee, Tracee&) -> Result<SignalSet> {
    if (r.addr != sizeof(SignalSet)) return Errno(EINVAL);
    return tracee.run().saved_mask.value_or(tracee.MaskFromAnyThread());
  }));
  return r.task.CopyOutObject(r.data, mask);
}

Result<void> SetSigMask(const Request& r) {
  if (r.addr != sizeof(SignalSet)) return Errno(EINVAL);
  const SignalSet mask = TRY(r.task.CopyInObject<SignalSet>(r.data));
  return OnTracee(r, [&](Task& tracee, Tracee&) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) -> Result<void> {
    tracee.run().saved_mask.reset();
    tracee.context().SetSignalMask(mask & ~kUnblockable);
    tracee.NoticeWorkLocked(Task::RunState::kSignal, false);
    return {};
  });
}

Result<void> CheckOptions(uint64_t options) { return (options & ~kKnownOptions) ? Errno(EINVAL) : Result<void>(); }

Result<void> SetOptions(const Request& r) {
  return OnTracee(r, [&](Task&, Tracee& state) -> Result<void> {
    TRY(CheckOptions(r.data));
    state.options = static_cast<uint32_t>(r.data);
    return {};
  });
}

Result<void> GetEventMessage(const Request& r) {
  const uint64_t message =
      TRY(OnTracee(r, [](Task&, Tracee& state) -> Result<uint64_t> { return state.stop.message; }));
  return r.task.CopyOutObject(r.data, message);
}

// What the stop is about, as PTRACE_GET_SYSCALL_INFO names it.
uint8_t KindOf(const Tracee& state) {
  const int code = state.stop.info ? state.stop.info->si_code : 0;
  if (code == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) return PTRACE_SYSCALL_INFO_SECCOMP;
  if (code != (SIGTRAP | 0x80)) return PTRACE_SYSCALL_INFO_NONE;
  return state.stop.message == 1 ? PTRACE_SYSCALL_INFO_ENTRY : PTRACE_SYSCALL_INFO_EXIT;
}

// Fills what the stop has to say; the size of that.
size_t Describe(const Tracee& state, __ptrace_syscall_info& info) {
  const Registers& regs = state.regs;
  const uint64_t args[6] = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
  info.op = KindOf(state);
  info.arch = AUDIT_ARCH_X86_64;
  info.instruction_pointer = regs.rip;
  info.stack_pointer = regs.rsp;
  switch (info.op) {
    case PTRACE_SYSCALL_INFO_ENTRY:
      info.entry.nr = regs.orig_rax;
      std::copy_n(args, 6, info.entry.args);
      return offsetof(__ptrace_syscall_info, entry) + sizeof(info.entry);
    case PTRACE_SYSCALL_INFO_SECCOMP:
      info.seccomp.nr = regs.orig_rax;
      std::copy_n(args, 6, info.seccomp.args);
      info.seccomp.ret_data = static_cast<uint32_t>(state.stop.message);
      return offsetof(__ptrace_syscall_info, seccomp.ret_data) + sizeof(info.seccomp.ret_data);
    case PTRACE_SYSCALL_INFO_EXIT:
      info.exit.rval = static_cast<int64_t>(regs.rax);
      info.exit.is_error = info.exit.rval < 0 && info.exit.rval >= -4095;
      return offsetof(__ptrace_syscall_info, exit.is_error) + sizeof(info.exit.is_error);
    default:
      return offsetof(__ptrace_syscall_info, entry);
  }
}

SyscallResult GetSyscallInfo(const Request& r) {
  __ptrace_syscall_info info{};
  const size_t size = TRY(OnTracee(r, [&](Task&, Tracee& state) -> Result<size_t> { return Describe(state, info); }));
  TRY(r.task.CopyOut(r.data, &info, std::min<uint64_t>(size, r.addr)));
  return static_cast<int64_t>(size);
}

// --- taking hold and letting go
Result<void> Seize(const Request& r) {
  if (r.addr != 0 || (r.data & ~kKnownOptions)) return Errno(EIO);
  return Attach(r.task, r.pid, true, static_cast<uint32_t>(r.data));
}

Result<void> ResumeIn(const Request& r, uint32_t mode) {
  const int signo = r.data > static_cast<uint64_t>(kMaxSignal) ? -1 : static_cast<int>(r.data);
  return ResumeTracee(r.task, r.pid, mode, signo);
}

Result<void> DetachFrom(const Request& r) {
  return Detach(r.task, r.pid, r.data > static_cast<uint64_t>(kMaxSignal) ? -1 : static_cast<int>(r.data));
}

struct Row {
  int request;
  Result<void> (*handler)(const Request& r);
};

constexpr Row kRequests[] = {
    {PTRACE_TRACEME, [](const Request& r) { return TraceMe(r.task); }},
    {PTRACE_ATTACH, [](const Request& r) { return Attach(r.task, r.pid, false, 0); }},
    {PTRACE_SEIZE, Seize},
    {PTRACE_DETACH, DetachFrom},
    {PTRACE_CONT, [](const Request& r) { return ResumeIn(r, 0); }},
    {PTRACE_SYSCALL, [](const Request& r) { return ResumeIn(r, kTraceCalls); }},
    {PTRACE_SINGLESTEP, [](const Request& r) { return ResumeIn(r, kTraceSteps); }},
    {PTRACE_SYSEMU, [](const Request& r) { return ResumeIn(r, kEmulateCalls); }},
    {PTRACE_SYSEMU_SINGLESTEP, [](const Request& r) { return ResumeIn(r, kEmulateCalls | kTraceSteps); }},
    {PTRACE_INTERRUPT, [](const Request& r) { return InterruptTracee(r.task, r.pid); }},
    {PTRACE_LISTEN, [](const Request& r) { return ListenToTracee(r.task, r.pid); }},
    {PTRACE_KILL, [](const Request& r) { return KillTracee(r.task, r.pid); }},
    {PTRACE_PEEKTEXT, Peek},
    {PTRACE_PEEKDATA, Peek},
    {PTRACE_POKETEXT, Poke},
    {PTRACE_POKEDATA, Poke},
    {PTRACE_PEEKUSER, PeekUser},
    {PTRACE_POKEUSER, PokeUser},
    {PTRACE_GETREGS, GetRegs},
    {PTRACE_SETREGS, SetRegs},
    {PTRACE_GETFPREGS, GetFpRegs},
    {PTRACE_SETFPREGS, SetFpRegs},
    {PTRACE_GETREGSET, GetRegSet},
    {PTRACE_SETREGSET, SetRegSet},
    {kArchPrctl, ArchPrctl},
    {PTRACE_GETSIGINFO, GetSigInfo},
    {PTRACE_SETSIGINFO, SetSigInfo},
    {PTRACE_GETSIGMASK, GetSigMask},
    {PTRACE_SETSIGMASK, SetSigMask},
    {PTRACE_SETOPTIONS, SetOptions},
    {PTRACE_GETEVENTMSG, GetEventMessage},
};

}  // namespace

// ptrace(2)
SyscallResult SysPtrace(Task& task, int64_t request, int pid, uint64_t addr, uint64_t data) {
  const Request r{task, pid, addr, data};
  if (request == PTRACE_PEEKSIGINFO) return PeekSigInfo(r);
  if (request == PTRACE_GET_SYSCALL_INFO) return GetSyscallInfo(r);
  for (const Row& row : kRequests) {
    if (row.request != request) continue;
    TRY(row.handler(r));
    return int64_t{0};
  }
  TRY(RegistersOf(r));  // ESRCH before EIO
  return Errno(EIO);
}

}  // namespace runsc
