// What is known of a task while another one traces it: ptrace(2). Guarded by the task set lock.
#pragma once

#include <optional>
#include <vector>

#include "platform/platform.h"
#include "sentry/kernel/signals.h"

namespace runsc {

class Task;

// Why a traced task stopped, as wait(2) and PTRACE_GETSIGINFO tell it.
struct TraceStop {
  int code = 0;                   // a signal, SIGTRAP | 0x80 at calls, or signal | PTRACE_EVENT_* << 8
  std::optional<siginfo_t> info;  // none: the group stop of one that was not seized
  uint64_t message = 0;           // PTRACE_GETEVENTMSG
};

// How a tracee runs until its next stop; RunState::trace_mode has them as bits.
enum TraceMode : uint32_t {
  kTraced = 1,
  kTraceCalls = 2,    // PTRACE_SYSCALL
  kEmulateCalls = 4,  // PTRACE_SYSEMU
  kTraceSteps = 8,    // PTRACE_SINGLESTEP
};

// Made when a task is first traced, and kept: what a tracer changed is applied after it let go, too.
struct Tracee {
  Task* tracer = nullptr;  // null: not traced now
  bool seized = false;
  bool tracer_is_capable = false;  // had CAP_SYS_PTRACE when it attached: exec may raise rights
  uint32_t options = 0;            // PTRACE_O_*

  // A stop is due: PTRACE_INTERRUPT, attaching to a stopped process, job control news.
  bool stop_due = false;

  bool stopped = false;
  bool listening = false;  // PTRACE_LISTEN: stopped, but not at the tracer's disposal
  TraceStop stop;          // the last one
  int unreported = 0;      // its code, until somebody waited for it
  int signal = 0;          // what the tracer let it go on with

  // The registers at the stop, and what the tracer made of them.
  Registers regs{};
  bool regs_changed = false;
  std::vector<std::byte> fp;  // empty: not asked for
  bool fp_wanted = false, fp_changed = false;

  int exit_status = 0;  // of a thread that ended and was not waited for
};

}  // namespace runsc
