// Which engine runs guest code.
#pragma once

#include <sys/types.h>

#include <memory>

#include "absl/status/statusor.h"
#include "platform/platform.h"
#include "runsc-cli/base/flags.h"

namespace runsc {

struct ChosenPlatform {
  std::unique_ptr<Platform> platform;
  bool traces_stubs = false;  // the sentry needs ptrace
};

// The one that --platform names. Not given: seccomp traps, or ptrace where the host has none; the log says why.
// `proc_root`, `on_stub_death`: as in SystrapOptions.
absl::StatusOr<ChosenPlatform> ChoosePlatform(const FlagSet& globals, int proc_root,
                                              void (*on_stub_death)(pid_t host_pid));

}  // namespace runsc
