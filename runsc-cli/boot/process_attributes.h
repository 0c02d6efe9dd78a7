// What config.json says of a process beyond its identity and program.
#pragma once

#include "absl/status/status.h"
#include "runsc-cli/oci/spec.h"
#include "sentry/kernel/task.h"

namespace runsc {

// process.scheduler, process.ioPriority, linux.personality and, at last, linux.seccomp (with `seccomp`): on a process
// that has not run yet. What it starts inherits them.
absl::Status ApplyProcessAttributes(Task& task, const SpecProcess& process, const SpecLinux& linux_spec, bool seccomp);

}  // namespace runsc
