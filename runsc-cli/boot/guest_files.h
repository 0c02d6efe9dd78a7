// What config.json changes in the guest's files once everything is mounted.
#pragma once

#include "absl/status/status.h"
#include "runsc-cli/oci/spec.h"
#include "sentry/kernel/task.h"

namespace runsc {

// linux.devices: the nodes, with their owners and modes. Which of them can be opened is the sentry's affair: there is
// no way to a device of the host.
absl::Status MakeDeviceNodes(Task& task, const Spec& spec);

// linux.maskedPaths and readonlyPaths (those that are there), linux.rootfsPropagation.
absl::Status ProtectPaths(Task& task, const Spec& spec);

// linux.sysctl, for the namespaces of `task`. Refused unless the sentry lets it be changed, or it has that value.
absl::Status ApplySysctls(Task& task, const Spec& spec);

}  // namespace runsc
