// Signals: dispositions, masks, sending, waiting, handlers' return.
#include <sys/syscall.h>

#include <algorithm>

#include "sentry/kernel/pids.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_frame.h"
#include "sentry/kernel/signal_send.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr uint64_t kKnownActionFlags =
    0x1 | 0x2 | 0x4 | 0x800 | 0x04000000 | 0x08000000 | 0x10000000 | 0x40000000 | 0x80000000;
constexpr int kSsAutoDisarm = static_cast<int>(1u << 31);

bool IsSignal(int signo) { return signo >= 1 && signo <= kMaxSignal; }

Result<void> CheckSetSize(uint64_t size) {
  if (size != sizeof(SignalSet)) return Errno(EINVAL);
  return {};
}

// A disposition that ignores the signal also drops what is pending.
void DiscardIfIgnoredLocked(Task& task, int signo, uint64_t handler)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  const bool ignores = handler == 1 || (handler == 0 && DefaultActionOf(signo) == DefaultAction::kIgnore);
  if (!ignores) return;
  ThreadGroup& group = task.thread_group();
  group.pending.Discard(SignalBit(signo));
  for (Task* thread : group.tasks) thread->pending.Discard(SignalBit(signo));
}

// Who may choose the whole siginfo: anybody for himself, others only codes that cannot be mistaken for the
// kernel's or for kill's.
Result<siginfo_t> CopyInQueuedInfo(Task& task, int target, int signo, GuestAddr addr) {
  siginfo_t info = TRY(task.CopyInObject<siginfo_t>(addr));
  info.si_signo = signo;
  if ((info.si_code >= 0 || info.si_code == SI_TKILL) && PidFromGuest(task, target) != task.pid()) return Errno(EPERM);
  return info;
}

Result<void> SetAltStack(Task& task, const stack_t& wanted, GuestAddr sp) {
  if (AltStackFlags(task.sigaltstack, sp) == SS_ONSTACK) return Errno(EPERM);
  const int mode = wanted.ss_flags & ~kSsAutoDisarm;
  if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE) return Errno(EINVAL);
  if (mode == SS_DISABLE) {
    task.sigaltstack = {};
    task.sigaltstack.flags = wanted.ss_flags;
    return {};
  }
  if (wanted.ss_size < kMinAltStack) return Errno(ENOMEM);
  task.sigaltstack = {reinterpret_cast<GuestAddr>(wanted.ss_sp), wanted.ss_size, wanted.ss_flags};
  return {};
}

// Signals being waited for are delivered to the waiter although it blocks them.
class WaitedSignals {
 public:
  WaitedSignals(Task& task, SignalSet set) : task_(task) { Assign(set); }
  ~WaitedSignals() { Assign(0); }

 private:
  void Assign(SignalSet set) {
    MutexLock l(task_.kernel().task_set_mu());
    task_.run().waited_signals = set;
  }
  Task& task_;
};

Result<siginfo_t> WaitForSignal(Task& task, SignalSet set, Deadline deadline) {
  const WaitedSignals waited(task, set);
  for (;;) {
    if (auto info = task.TakeSignal(set)) return *info;
    auto slept = task.Block(deadline);
    if (slept.ok()) continue;
    if (auto info = task.TakeSignal(set)) return *info;
    return slept.error() == Errno(ETIMEDOUT) ? Errno(EAGAIN) : Errno(EINTR);
  }
}

Result<void> SleepUntilSignal(Task& task) {
  for (;;) TRY(task.Block());
}

}  // namespace

// rt_sigaction(2)
SyscallResult SysRtSigaction(Task& task, int signo, GuestAddr new_addr, GuestAddr old_addr, uint64_t set_size) {
  TRY(CheckSetSize(set_size));
  if (!IsSignal(signo)) return Errno(EINVAL);
  if (new_addr != 0 && (SignalBit(signo) & kUnblockable)) return Errno(EINVAL);
  KernelSigaction action;
  if (new_addr != 0) {
    action = TRY(task.CopyInObject<KernelSigaction>(new_addr));
    action.flags &= kKnownActionFlags;
    action.mask &= ~kUnblockable;
  }
  KernelSigaction old;
  {
    MutexLock l(task.kernel().task_set_mu());
    KernelSigaction& slot = task.thread_group().actions->value.actions[signo];
    old = slot;
    if (new_addr != 0) {
      slot = action;
      DiscardIfIgnoredLocked(task, signo, action.handler);
    }
  }
  if (old_addr != 0) TRY(task.CopyOutObject(old_addr, old));
  return int64_t{0};
}

// rt_sigprocmask(2)
SyscallResult SysRtSigprocmask(Task& task, int how, GuestAddr new_addr, GuestAddr old_addr, uint64_t set_size) {
  TRY(CheckSetSize(set_size));
  const SignalSet old = task.signal_mask();
  if (new_addr != 0) {
    const SignalSet set = TRY(task.CopyInObject<SignalSet>(new_addr)) & ~kUnblockable;
    if (how == SIG_BLOCK) {
      task.SetSignalMask(old | set);
    } else if (how == SIG_UNBLOCK) {
      task.SetSignalMask(old & ~set);
    } else if (how == SIG_SETMASK) {
      task.SetSignalMask(set);
    } else {
      return Errno(EINVAL);
    }
  }
  if (old_addr != 0) TRY(task.CopyOutObject(old_addr, old));
  return int64_t{0};
}

// rt_sigpending(2)
SyscallResult SysRtSigpending(Task& task, GuestAddr addr, uint64_t set_size) {
  if (set_size > sizeof(SignalSet)) return Errno(EINVAL);
  const SignalSet set = task.PendingSignals() & task.signal_mask();
  TRY(task.CopyOut(addr, &set, set_size));
  return int64_t{0};
}

// rt_sigtimedwait(2)
SyscallResult SysRtSigtimedwait(Task& task, GuestAddr set_addr, GuestAddr info_addr, GuestAddr timeout_addr,
                                uint64_t set_size) {
  TRY(CheckSetSize(set_size));
  const SignalSet set = TRY(task.CopyInObject<SignalSet>(set_addr)) & ~kUnblockable;
  Deadline deadline = kNever;
  if (timeout_addr != 0) {
    const timespec timeout = TRY(task.CopyInObject<timespec>(timeout_addr));
    if (!IsValidTimespec(timeout)) return Errno(EINVAL);
    deadline = DeadlineAfter(Kernel::MonotonicNs(), ToNs(timeout));
  }
  const siginfo_t info = TRY(WaitForSignal(task, set, deadline));
  if (info_addr != 0) TRY(task.CopyOut(info_addr, &info, sizeof(info)));
  return info.si_signo;
}

// rt_sigsuspend(2)
SyscallResult SysRtSigsuspend(Task& task, GuestAddr set_addr, uint64_t set_size) {
  TRY(CheckSetSize(set_size));
  task.SetTemporarySignalMask(TRY(task.CopyInObject<SignalSet>(set_addr)));
  (void)SleepUntilSignal(task);
  return kRestartNoHand;
}

// pause(2)
SyscallResult SysPause(Task& task) {
  (void)SleepUntilSignal(task);
  return kRestartNoHand;
}

// sigaltstack(2)
SyscallResult SysSigaltstack(Task& task, GuestAddr new_addr, GuestAddr old_addr) {
  const GuestAddr sp = task.context().ReadRegisters().rsp;
  stack_t old{};
  old.ss_sp = reinterpret_cast<void*>(task.sigaltstack.sp);
  old.ss_size = task.sigaltstack.size;
  old.ss_flags = AltStackFlags(task.sigaltstack, sp) | (task.sigaltstack.flags & kSsAutoDisarm);
  if (new_addr != 0) {
    const stack_t wanted = TRY(task.CopyInObject<stack_t>(new_addr));
    TRY(SetAltStack(task, wanted, sp));
  }
  if (old_addr != 0) TRY(task.CopyOutObject(old_addr, old));
  return int64_t{0};
}

// rt_sigreturn(2): a bad frame is a fault, not an error.
SyscallResult SysRtSigreturn(Task& task) {
  auto frame = PopSignalFrame(task, task.context().ReadRegisters());
  if (!frame.ok()) {
    task.ForceSignal(KernelSignal(SIGSEGV));
    return int64_t{0};
  }
  task.SetSignalMask(frame->mask);
  (void)SetAltStack(task, frame->alt_stack, frame->regs.rsp);
  task.context().WriteFpState(frame->fp_state);
  task.ReplaceRegisters(frame->regs);
  return static_cast<int64_t>(frame->regs.rax);
}

// restart_syscall(2): a traced task's way to go on with an interrupted call.
SyscallResult SysRestartSyscall(Task& task) { return task.RestartInterrupted(); }

// kill(2)
SyscallResult SysKill(Task& task, int pid, int signo) {
  if (signo < 0 || signo > kMaxSignal) return Errno(EINVAL);
  TRY(Kill(task, SignedPidFromGuest(task, pid), UserSignal(task, signo, SI_USER)));
  return int64_t{0};
}

// tkill(2)
SyscallResult SysTkill(Task& task, int tid, int signo) {
  if (tid <= 0 || signo < 0 || signo > kMaxSignal) return Errno(EINVAL);
  TRY(KillThread(task, 0, PidFromGuest(task, tid), UserSignal(task, signo, SI_TKILL)));
  return int64_t{0};
}

// tgkill(2)
SyscallResult SysTgkill(Task& task, int tgid, int tid, int signo) {
  if (tgid <= 0 || tid <= 0 || signo < 0 || signo > kMaxSignal) return Errno(EINVAL);
  TRY(KillThread(task, PidFromGuest(task, tgid), PidFromGuest(task, tid), UserSignal(task, signo, SI_TKILL)));
  return int64_t{0};
}

// rt_sigqueueinfo(2)
SyscallResult SysRtSigqueueinfo(Task& task, int pid, int signo, GuestAddr info_addr) {
  if (signo < 0 || signo > kMaxSignal) return Errno(EINVAL);
  const siginfo_t info = TRY(CopyInQueuedInfo(task, pid, signo, info_addr));
  if (pid <= 0) return Errno(ESRCH);
  TRY(Kill(task, PidFromGuest(task, pid), info));
  return int64_t{0};
}

// rt_tgsigqueueinfo(2)
SyscallResult SysRtTgsigqueueinfo(Task& task, int tgid, int tid, int signo, GuestAddr info_addr) {
  if (tgid <= 0 || tid <= 0 || signo < 0 || signo > kMaxSignal) return Errno(EINVAL);
  const siginfo_t info = TRY(CopyInQueuedInfo(task, tgid, signo, info_addr));
  TRY(KillThread(task, PidFromGuest(task, tgid), PidFromGuest(task, tid), info));
  return int64_t{0};
}

}  // namespace runsc
