// What is written when one of our own processes crashes.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace runsc {

// From now on a fatal signal of this process (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT) first writes the
// signal, the address and the call stack to --panic-log and to the debug log, as offsets for `addr2line -e runsc`. The
// process then dies of the signal as it would have. `process` names it and must live forever. Call once, after Log is
// open. Needs no host call but write(2) and rt_sigreturn(2) later, so that it works inside a jail.
void ReportCrashes(const char* process);

// A line of text in a fixed buffer, as a signal handler may make it; what does not fit is cut.
class CrashLine {
 public:
  CrashLine& Text(const char* text);
  CrashLine& Decimal(uint64_t value) { return Number(value, 10); }
  CrashLine& Hex(uint64_t value) { return Text("0x").Number(value, 16); }
  const char* data() const { return buffer_; }
  size_t size() const { return size_; }

 private:
  CrashLine& Number(uint64_t value, unsigned base);

  char buffer_[256];
  size_t size_ = 0;
};

}  // namespace runsc
