// Runs in a signal handler of a process in an unknown state: no locks, no heap, no formatting of the C library. The
// unwinder is the compiler's own: libunwind probes memory by host calls that the jails refuse.
#include "runsc-cli/base/crash_report_unsafe.h"

#include <signal.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <iterator>

#include "runsc-cli/base/log.h"

// Where the linker put the program's first byte.
extern "C" const char __ehdr_start[];

namespace runsc {
namespace {

constexpr int kMaxFrames = 64;
constexpr struct {
  int number;
  const char* name;
} kFatal[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGILL, "SIGILL"},
              {SIGFPE, "SIGFPE"},   {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"}};

const char* reported_process = "";

void WriteTo(int fd, const CrashLine& line) {
  if (fd >= 0 && write(fd, line.data(), line.size()) < 0) return;  // nowhere left to say so
}

void Emit(const CrashLine& line) {
  WriteTo(Log::panic_log_fd(), line);
  WriteTo(Log::debug_log_fd(), line);
}

const char* SignalName(int signo) {
  for (const auto& signal : kFatal) {
    if (signal.number == signo) return signal.name;
  }
  return "a signal";
}

uint64_t OffsetOf(uint64_t address) { return address - reinterpret_cast<uint64_t>(__ehdr_start); }

_Unwind_Reason_Code EmitFrame(_Unwind_Context* context, void* counter) {
  int before_instruction = 0;
  const uint64_t address = _Unwind_GetIPInfo(context, &before_instruction);
  int& frame = *static_cast<int*>(counter);
  if (address == 0 || frame == kMaxFrames) return _URC_END_OF_STACK;
  // A return address is after the call: one less is in the line that called.
  Emit(CrashLine()
           .Text("  #")
           .Decimal(frame++)
           .Text(" ")
           .Hex(OffsetOf(address) - (before_instruction ? 0 : 1))
           .Text("\n"));
  return _URC_NO_REASON;
}

void OnFatalSignal(int signo, siginfo_t* info, void* context) {
  static std::atomic_flag reported;
  if (reported.test_and_set()) return;  // abort() of a namespace's init ends by a fault
  const auto* registers = static_cast<const ucontext_t*>(context)->uc_mcontext.gregs;
  CrashLine line;
  line.Text(reported_process)
      .Text(": crashed by ")
      .Text(SignalName(signo))
      .Text(" at ")
      .Hex(OffsetOf(registers[REG_RIP]));
  if (signo != SIGABRT) line.Text(", address ").Hex(reinterpret_cast<uint64_t>(info->si_addr));
  Emit(line.Text("; addr2line -Cfie runsc:\n"));
  int frame = 0;
  _Unwind_Backtrace(EmitFrame, &frame);
  // The handler is gone by SA_RESETHAND: the instruction, or abort(), ends the process now. A signal that somebody
  // sent does not come again, and a namespace's init does not even die of one it sends itself.
  if (info->si_code > 0 || signo == SIGABRT) return;
  raise(signo);
  _exit(128 + signo);
}

}  // namespace

CrashLine& CrashLine::Text(const char* text) {
  while (*text != '\0' && size_ < sizeof(buffer_)) buffer_[size_++] = *text++;
  return *this;
}

CrashLine& CrashLine::Number(uint64_t value, unsigned base) {
  char digits[21];
  char* end = std::end(digits);
  *--end = '\0';
  do {
    *--end = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  return Text(end);
}

void ReportCrashes(const char* process) {
  reported_process = process;
  struct sigaction action = {};
  action.sa_sigaction = OnFatalSignal;
  action.sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER;
  for (const auto& signal : kFatal) sigaction(signal.number, &action, nullptr);
}

}  // namespace runsc
