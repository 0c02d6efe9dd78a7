// The frame a signal handler gets on the guest's stack: x86-64 Linux' rt_sigframe, byte for byte.
#pragma once

#include <signal.h>

#include <cstddef>
#include <span>
#include <vector>

#include "platform/platform.h"
#include "sentry/kernel/signals.h"
#include "sentry/kernel/task.h"

namespace runsc {

struct FrameRequest {
  const siginfo_t& info;
  const KernelSigaction& action;
  const FaultInfo& fault;
  SignalSet saved_mask;
  std::span<const std::byte> fp_state;
};

// Writes the frame below regs.rsp (or on the alternate stack) and sets `regs` to enter the handler. EFAULT when
// the stack is bad or the action has no restorer.
Result<void> PushSignalFrame(Task& task, const FrameRequest& request, Registers& regs);

// What rt_sigreturn takes back from the frame at the stack pointer.
struct RestoredFrame {
  Registers regs;
  SignalSet mask;
  stack_t alt_stack;
  std::vector<std::byte> fp_state;
};
Result<RestoredFrame> PopSignalFrame(Task& task, const Registers& regs);

// The FP state of a fresh program, as an XSAVE image.
std::vector<std::byte> InitialFpState(size_t size);

// sigaltstack(2) flags as seen at stack pointer `sp`.
int AltStackFlags(const Task::SignalStack& stack, GuestAddr sp);
inline constexpr size_t kMinAltStack = 2048;

}  // namespace runsc
