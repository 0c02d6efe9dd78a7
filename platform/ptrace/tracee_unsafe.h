// A host thread that runs guest code, driven by ptrace. Everything but Kick is for the thread that seized it: the
// host knows no other as its tracer.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "platform/platform.h"

namespace runsc::ptrace_engine {

class Tracee {
 public:
  Tracee() = default;
  Tracee(const Tracee&) = delete;

  // Why it stopped.
  struct Stop {
    enum Kind {
      kCall,    // at the entry of a system call, which will not happen
      kSignal,  // before `signal` would be delivered, which will not happen either
      kOther,   // for nothing we asked for
      kGone,    // it ended and was reaped
    } kind = kGone;
    int signal = 0;
  };
  enum class Mode {
    kGuest,  // every system call stops it instead
    kStub,   // it runs the stub's own code, whose calls the stub's filter judges
  };

  // Becomes the tracer of `tid`, a thread of `pid` that was just made, and stops it where such threads wait for
  // that. False: it is no such thread, or the host does not let us.
  bool Seize(pid_t pid, pid_t tid);
  bool seized() const { return tid_ != 0; }

  Stop Resume(Mode mode);
  // Waits for its end, which is under way.
  void AwaitEnd();

  // False: it is gone or about to be, or the host refuses the values.
  bool ReadRegisters(Registers* regs);
  bool WriteRegisters(const Registers& regs);
  // The XSAVE image in the host's standard format, with all the components that the host has; empty if it is gone.
  std::vector<std::byte> ReadFpState();
  // The first components of it.
  bool WriteFpState(std::span<const std::byte> image);
  bool ReadSignal(siginfo_t* info);
  // At a kCall: it was made by `int $0x80`, or in 32-bit code.
  bool IsCallOf32Bits();

 private:
  Stop Wait();
  bool StopAtItsPlace();
  long Request(int request, uint64_t addr, void* data) const;

  pid_t tid_ = 0;
};

}  // namespace runsc::ptrace_engine
