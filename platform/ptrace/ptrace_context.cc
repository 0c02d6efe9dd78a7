// See ptrace_context.h.
#include "platform/ptrace/ptrace_context.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include <cerrno>

#include "platform/ptrace/fault_info.h"
#include "platform/stub/guest_memory.h"
#include "platform/stub/guest_state.h"
#include "platform/stub/pi_futex.h"
#include "platform/stub/spawn_unsafe.h"
#include "platform/stub/stub_symbols.h"

namespace runsc::ptrace_engine {
namespace {

using Mode = Tracee::Mode;
using Stop = Tracee::Stop;

constexpr uint64_t kUserCs = 0x33, kUserSs = 0x2b;
constexpr uint64_t kNoCall = ~0UL;
constexpr int kSysSeccomp = 1;  // si_code of a call that the filter traps

// What the kernel leaves in rax while a call that was cut short may still be restarted.
bool IsCutShort(int64_t result) {
  return result == -EINTR || (result <= -512 && result >= -516);  // ERESTARTSYS .. ERESTART_RESTARTBLOCK
}

// The host refuses bases it could not load for us.
uint64_t LoadableBase(uint64_t base) { return base < STUB_TOP ? base : 0; }

// Registers that the host takes: its own selectors, and no call to restart.
Registers Loadable(const Registers& regs) {
  Registers out = regs;
  out.orig_rax = kNoCall;
  out.eflags = stub::SanitizeFlags(regs.eflags);
  out.cs = kUserCs, out.ss = kUserSs;
  out.ds = out.es = out.fs = out.gs = 0;
  out.fs_base = LoadableBase(regs.fs_base), out.gs_base = LoadableBase(regs.gs_base);
  return out;
}

// A call number as the kernel sees it: eax alone, with its sign.
uint64_t CallNumber(uint64_t rax) { return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(rax))); }

// The thread may be bound where the helper that made it was.
void AllowOwnCpus(pid_t tid) {
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) sched_setaffinity(tid, sizeof cpus, &cpus);
}

}  // namespace

// What a futex that names its owner needs of the guest's memory. The thread itself does the atomic part.
struct PtraceContext::PiFutexHost {
  PtraceContext& context;

  uint32_t tid() const { return context.tid_word_; }
  bool Load(GuestAddr addr, uint32_t* word) const {
    return stub::CopyFromStub(context.process_->pid(), addr, word, sizeof *word) == sizeof *word;
  }
  int64_t Exchange(GuestAddr addr, uint32_t old_value, uint32_t new_value) const {
    Registers regs = context.regs_;
    regs.rdi = addr, regs.rax = old_value, regs.rdx = new_value;
    switch (context.RunStub(regs, stub_symbol::tracee_cmpxchg, stub_symbol::tracee_cmpxchged)) {
      case StubRun::kDone:
        return static_cast<uint32_t>(regs.rax) != old_value;
      case StubRun::kFault:
        return -EFAULT;
      default:
        return -EINTR;
    }
  }
  int64_t Wait(GuestAddr addr, uint64_t op, uint32_t value, uint64_t timeout) const {
    return context.HostCall({SYS_futex, {addr, op, value, timeout, 0, FUTEX_BITSET_MATCH_ANY}});
  }
  void Wake(GuestAddr addr, uint64_t op) const { context.HostCallToItsEnd({SYS_futex, {addr, op, 1}}); }
};

PtraceContext::PtraceContext(stub::Engine& engine, std::shared_ptr<stub::StubProcess> process, pid_t tid,
                             const ThreadStart& start)
    : engine_(engine),
      process_(std::move(process)),
      tid_(tid),
      regs_(start.regs),
      fp_(start.fp_state.empty() ? stub::InitialFpState(engine.features())
                                 : stub::SanitizeFpState(start.fp_state, engine.features())),
      signal_mask_(start.signal_mask),
      set_tid_(start.set_child_tid),
      clear_tid_(start.clear_child_tid),
      tid_word_(static_cast<uint32_t>(start.tid)) {}

// A fork's child made its thread by itself; its helper says which.
bool PtraceContext::LearnTid() {
  if (tid_.load() != 0) return true;
  std::vector<int64_t> results;
  if (!process_->helper().Finish(&results).ok() || results.empty()) return false;
  if (results.back() <= 0 || results.back() > INT32_MAX) return false;
  tid_.store(static_cast<pid_t>(results.back()));
  return true;
}

// The thread that runs the context becomes the tracer of its host thread.
bool PtraceContext::EnsureSeized() {
  if (gone_) return false;
  if (tracee_.seized()) return true;
  if (!LearnTid() || !tracee_.Seize(process_->pid(), tid_.load())) return false;
  AllowOwnCpus(tid_.load());
  if (set_tid_ != 0) stub::CopyToStub(process_->pid(), set_tid_, &tid_word_, sizeof tid_word_);
  return true;
}

// Whatever went wrong with one thread: a stub that we cannot drive must not run.
Event PtraceContext::Killed() {
  in_guest_.store(false);
  if (!gone_) {
    process_->Kill();
    if (tracee_.seized()) tracee_.AwaitEnd();
    gone_ = true;
  }
  return Event{.kind = Event::kKilled};
}

Event PtraceContext::Run() {
  if (exited_ || !EnsureSeized()) return Killed();
  // Either this sees the flag, or Interrupt sees that the guest runs and sends a signal.
  in_guest_.store(true);
  if (interrupt_.exchange(false)) {
    in_guest_.store(false);
    if (!native_) return Event{.kind = Event::kInterrupted};
    return Event{.kind = Event::kSyscall, .was_interrupted = true, .syscall = *std::exchange(native_, std::nullopt)};
  }
  if (native_) {
    if (const auto event = RunNative()) return *event;
  }
  return RunGuest();
}

bool PtraceContext::Load() {
  if (!tracee_.WriteRegisters(Loadable(regs_))) return false;
  if (fp_dirty_ && !tracee_.WriteFpState(fp_)) return false;
  have_fp_ = fp_dirty_ = false;
  return true;
}

Event PtraceContext::RunGuest() {
  if (!Load()) return Killed();
  for (;;) {
    const Stop stop = tracee_.Resume(Mode::kGuest);
    if (stop.kind == Stop::kGone) {
      gone_ = true;
      return Killed();
    }
    if (const auto event = Judge(stop)) {
      in_guest_.store(false);
      return *event;
    }
  }
}

std::optional<Event> PtraceContext::Judge(const Stop& stop) {
  if (stop.kind == Stop::kCall) return TakeCall();
  return stop.kind == Stop::kSignal ? TakeSignal(stop.signal) : std::nullopt;
}

std::optional<Event> PtraceContext::TakeCall() {
  if (!tracee_.ReadRegisters(&regs_)) return Killed();
  if (regs_.cs != kUserCs) return Event{.kind = Event::kFault, .fault = {SIGSEGV, SI_KERNEL, 0, 0, 0}};
  // `syscall` leaves the return address in rcx. Who imitates that with `int $0x80` makes a 64-bit call.
  if (regs_.rcx != regs_.rip && tracee_.IsCallOf32Bits()) {
    regs_.rax = static_cast<uint64_t>(-ENOSYS);
    if (!Load()) return Killed();
    return std::nullopt;
  }
  return TakeSyscall(regs_.orig_rax);
}

Event PtraceContext::TakeSyscall(uint64_t number) {
  regs_.orig_rax = regs_.rax = CallNumber(number);
  return Event{.kind = Event::kSyscall,
               .syscall = {regs_.rax, {regs_.rdi, regs_.rsi, regs_.rdx, regs_.r10, regs_.r8, regs_.r9}}};
}

// Our kick, a fault of the guest's, or what somebody outside sent: that is not for the guest.
std::optional<Event> PtraceContext::TakeSignal(int signal) {
  siginfo_t info;
  if (!tracee_.ReadSignal(&info)) return Killed();
  const bool is_kick = signal == stub::kKickSignal && interrupt_.exchange(false);
  // The host serves its vsyscall page without asking a tracer; the filter refuses, and the host returns from the call.
  const bool is_vsyscall = signal == SIGSYS && info.si_code == kSysSeccomp;
  const auto fault = FaultOf(info);
  if (!is_kick && !is_vsyscall && !fault) return std::nullopt;
  if (!tracee_.ReadRegisters(&regs_)) return Killed();
  if (is_vsyscall) return TakeSyscall(static_cast<uint64_t>(info.si_syscall));
  regs_.orig_rax = kNoCall;
  if (is_kick) return Event{.kind = Event::kInterrupted};
  return Event{.kind = Event::kFault, .fault = *fault};
}

void PtraceContext::SetSyscallResult(int64_t rax) {
  native_.reset();
  regs_.rax = static_cast<uint64_t>(rax);
}

void PtraceContext::SubmitNative(const SyscallRequest& call, bool report) {
  native_ = call;
  report_native_ = report;
}

void PtraceContext::WriteRegisters(const Registers& regs) {
  native_.reset();
  regs_ = regs;
  regs_.eflags = stub::SanitizeFlags(regs.eflags);
}

std::span<const std::byte> PtraceContext::ReadFpState() {
  if (!have_fp_) fp_ = stub::SanitizeFpState(tracee_.ReadFpState(), engine_.features());
  have_fp_ = true;
  return fp_;
}

void PtraceContext::WriteFpState(std::span<const std::byte> xsave) {
  fp_ = stub::SanitizeFpState(xsave, engine_.features());
  have_fp_ = fp_dirty_ = true;
}

// The flag is set first: see Run. A signal that comes when nobody waits for it any more is not looked at.
void PtraceContext::Interrupt() {
  interrupt_.store(true);
  const pid_t tid = tid_.load();
  if (in_guest_.load() && tid != 0) process_->Kick(tid);
}

PtraceContext::StubRun PtraceContext::Lost() {
  (void)Killed();
  return StubRun::kGone;
}

PtraceContext::StubRun PtraceContext::RunStub(Registers& regs, GuestAddr entry, GuestAddr end) {
  regs.rip = entry;
  if (!tracee_.WriteRegisters(Loadable(regs))) return Lost();
  for (;;) {
    const Stop stop = tracee_.Resume(Mode::kStub);
    if (stop.kind == Stop::kGone) gone_ = true;
    if (gone_) return StubRun::kGone;
    if (stop.kind != Stop::kSignal) continue;
    if (!tracee_.ReadRegisters(&regs)) return Lost();
    if (stop.signal == SIGTRAP && regs.rip == end) return StubRun::kDone;
    if (stop.signal == SIGSEGV || stop.signal == SIGBUS) return StubRun::kFault;
    // Any other signal cuts a waiting call short.
    if (regs.rip == entry || IsCutShort(static_cast<int64_t>(regs.rax))) return StubRun::kInterrupted;
  }
}

int64_t PtraceContext::HostCall(const SyscallRequest& call) {
  Registers regs = regs_;
  regs.rax = call.number;
  regs.rdi = call.args[0], regs.rsi = call.args[1], regs.rdx = call.args[2];
  regs.r10 = call.args[3], regs.r8 = call.args[4], regs.r9 = call.args[5];
  const StubRun end = RunStub(regs, stub_symbol::tracee_call, stub_symbol::tracee_called);
  return end == StubRun::kDone ? static_cast<int64_t>(regs.rax) : -EINTR;
}

void PtraceContext::HostCallToItsEnd(const SyscallRequest& call) {
  while (HostCall(call) == -EINTR && !gone_) {
  }
}

// Futexes that name their owner are more than one of the host's.
int64_t PtraceContext::PerformNative(const SyscallRequest& call) {
  if (call.number == SYS_futex && stub::IsPiFutex(call.args[1])) {
    PiFutexHost host{*this};
    return stub::PiFutex(host, call.args);
  }
  return HostCall(call);
}

std::optional<Event> PtraceContext::RunNative() {
  const SyscallRequest call = *std::exchange(native_, std::nullopt);
  const int64_t result = PerformNative(call);
  if (gone_) return Killed();
  const bool was_interrupted = result == -EINTR;
  if (!was_interrupted) regs_.rax = static_cast<uint64_t>(result);
  // A kick may have come when the call was as good as over.
  if (!interrupt_.exchange(false) && !was_interrupted && !report_native_) return std::nullopt;
  in_guest_.store(false);
  if (!was_interrupted) return Event{.kind = Event::kInterrupted};
  return Event{.kind = Event::kSyscall, .was_interrupted = true, .syscall = call};
}

// The thread leaves by itself, so that the others go on; the host wakes who waits for its end.
void PtraceContext::EndThread() {
  const uint32_t zero = 0;
  if (clear_tid_ != 0 && stub::CopyToStub(process_->pid(), clear_tid_, &zero, sizeof zero) == sizeof zero) {
    HostCallToItsEnd({SYS_futex, {clear_tid_, FUTEX_WAKE, 1}});
  }
  HostCallToItsEnd({SYS_exit, {0}});
}

void PtraceContext::Exit() {
  if (exited_) return;
  exited_ = true;
  if (gone_) return;
  if (process_->was_killed() || !EnsureSeized()) {
    (void)Killed();
  } else {
    last_cpu_ns_ = CpuTimeNs();
    EndThread();
  }
  tid_.store(0);
}

uint64_t PtraceContext::CpuTimeNs() {
  if (process_->was_killed()) return process_->CpuTimeNs();
  const pid_t tid = tid_.load();
  return tid == 0 ? last_cpu_ns_ : engine_.ThreadCpuNs(process_->pid(), tid);
}

bool PtraceContext::Sleeps() { return engine_.ThreadSleeps(process_->pid(), tid_.load()); }

}  // namespace runsc::ptrace_engine
