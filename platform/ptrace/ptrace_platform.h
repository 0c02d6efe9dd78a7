// The ptrace engine: guest code runs in host processes whose every system call stops for us.
#pragma once

#include <sys/types.h>

#include <memory>

#include "absl/status/statusor.h"
#include "platform/platform.h"

namespace runsc {

// As in SystrapOptions.
struct PtraceOptions {
  int proc_fd = -1;
  void (*log)(const char* line) = nullptr;
  void (*on_stub_death)(pid_t host_pid) = nullptr;
};

// As NewSystrapPlatform. A Context must run, and be destroyed or told to exit, on one thread.
absl::StatusOr<std::unique_ptr<Platform>> NewPtracePlatform(const PtraceOptions& options);

}  // namespace runsc
