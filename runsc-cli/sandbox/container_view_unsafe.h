// The container's files as the host can show them, for who looks at a container through the process in its pid file (as
// `podman cp` and `podman top` do): a mount namespace with its root file system, its bind mounts, and its sandbox's
// processes. What the sandbox keeps to itself, as the upper layer of an overlay or a tmpfs, is not in it.
#pragma once

#include <sys/types.h>

#include "absl/status/status.h"
#include "platform/base/unique_fd.h"
#include "runsc-cli/sandbox/bundle.h"

namespace runsc {

class ContainerView {
 public:
  // The calling process, which must have one thread and root's rights on the host, has nothing but this in sight from
  // now on. After a failure it may still have the host's files in sight.
  absl::Status Enter(const Bundle& bundle);
  // The processes of the sandbox under /proc, if the container's root has that directory.
  absl::Status ShowProcesses(pid_t sandbox);

 private:
  UniqueFd host_proc_;
};

}  // namespace runsc
