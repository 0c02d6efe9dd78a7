// Host processes named in state files: a pid alone may have been reused, so its start time goes along.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "absl/status/status.h"

namespace runsc {

struct HostProcess {
  pid_t pid = 0;
  uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat

  friend bool operator==(const HostProcess&, const HostProcess&) = default;
};

// `pid` with its start time; {0, 0} if there is no such process.
HostProcess IdentifyProcess(pid_t pid);

// `pid`, if it is a child of this very `parent`.
std::optional<HostProcess> IdentifyChild(const HostProcess& parent, pid_t pid);

// Whether this very process still runs. A zombie does not: nobody has collected it yet, that is all.
bool IsAlive(const HostProcess& process);

// Whether this very process has ended, or does so within that time.
bool EndsWithin(const HostProcess& process, int milliseconds);

// SIGKILLs this very process and waits until it has ended. OK if it was already gone.
absl::Status KillAndAwaitEnd(const HostProcess& process);

}  // namespace runsc
