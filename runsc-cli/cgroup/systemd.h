// Cgroups that systemd makes: a transient scope, asked for over D-Bus.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "runsc-cli/cgroup/hierarchy.h"

namespace runsc {

// Starts the scope and waits for its directories; they stay while the scope holds a process. FailedPrecondition on a
// host that systemd does not run.
absl::Status StartSystemdScope(const SystemdCgroup& unit, const std::string& id);

}  // namespace runsc
