// The seccomp-trap engine: guest code runs in host processes whose every system call traps.
#pragma once

#include <sys/types.h>

#include <memory>

#include "absl/status/statusor.h"
#include "platform/platform.h"

namespace runsc {

struct SystrapOptions {
  bool patching = true;  // rewrite hot call sites into jumps
  bool spin = true;      // hand-offs may spin while another CPU is free
  // A directory of a procfs that shows this process and its children (its own pid namespace). -1:
  // no ReadHostProc, no CPU times, no patching.
  int proc_fd = -1;
  void (*log)(const char* line) = nullptr;  // one line per missing host feature
  // Called on a thread of the engine, with no lock held, when a stub died that the engine did not
  // kill (AddressSpace::host_pid()): its tasks may be blocked in the kernel and would not notice.
  void (*on_stub_death)(pid_t host_pid) = nullptr;
};

// Call before the process confines itself and in a thread... any thread: the engine makes its own.
// Everything made from the platform must be destroyed before it.
absl::StatusOr<std::unique_ptr<Platform>> NewSystrapPlatform(const SystrapOptions& options);

}  // namespace runsc
