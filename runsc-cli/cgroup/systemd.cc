// Transient scopes of systemd.
#include "runsc-cli/cgroup/systemd.h"

#include <unistd.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {

absl::Status StartSystemdScope(const SystemdCgroup& unit, const std::string& id) {
  if (access("/run/systemd/system", F_OK) != 0) {
    return absl::FailedPreconditionError("--systemd-cgroup: systemd does not run on this host; use the cgroupfs driver");
  }
  return absl::UnimplementedError(Cat("--systemd-cgroup: scope ", unit.unit, " of ", id, ": not supported yet"));
}

}  // namespace runsc
