// See fault_info.h.
#include "platform/ptrace/fault_info.h"

namespace runsc::ptrace_engine {
namespace {

enum Trap : uint64_t {
  kDivide = 0,
  kDebug = 1,
  kBreakpoint = 3,
  kOverflow = 4,
  kInvalidOpcode = 6,
  kProtection = 13,
  kPageFault = 14,
  kX87 = 16,
  kAlignment = 17,
  kSimd = 19,
};

// The host does not tell a tracer the processor's trap number. The signal says which it must have been, but for the
// two of floating point.
uint64_t TrapOf(const siginfo_t& info) {
  switch (info.si_signo) {
    case SIGFPE:
      if (info.si_code == FPE_INTDIV) return kDivide;
      return info.si_code == FPE_INTOVF ? kOverflow : kSimd;
    case SIGTRAP:
      return info.si_code == SI_KERNEL || info.si_code == TRAP_BRKPT ? kBreakpoint : kDebug;
    case SIGILL:
      return kInvalidOpcode;
    case SIGBUS:
      return info.si_code == BUS_ADRALN ? kAlignment : kPageFault;
    default:
      return info.si_code == SI_KERNEL ? kProtection : kPageFault;
  }
}

// Of a page fault: from user mode, and whether the page was there. Not whether it was a write: nobody tells us.
uint64_t ErrorOf(const siginfo_t& info, uint64_t trap) {
  constexpr uint64_t kPresent = 1, kUser = 4;
  if (trap != kPageFault) return 0;
  return info.si_code == SEGV_ACCERR ? kUser | kPresent : kUser;
}

}  // namespace

std::optional<FaultInfo> FaultOf(const siginfo_t& info) {
  if (!FaultInfo::IsSignal(info.si_signo) || info.si_code <= 0) return std::nullopt;  // <= 0: sent by a process
  const uint64_t trap = TrapOf(info);
  return FaultInfo{info.si_signo, info.si_code, reinterpret_cast<GuestAddr>(info.si_addr), trap, ErrorOf(info, trap)};
}

}  // namespace runsc::ptrace_engine
