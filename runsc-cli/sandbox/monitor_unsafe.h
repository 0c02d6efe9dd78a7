// The monitor: the host process that stands for a container's init, or for a process of `exec`, on the host. Its pid
// goes into the pid file; who kills it or waits for it means the guest process.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"
#include "runsc-cli/cgroup/cgroup.h"
#include "runsc-cli/sandbox/bundle.h"

namespace runsc {

struct MonitorOptions {
  enum class Network { kCallers, kNew, kPath };
  Network network = Network::kCallers;
  std::string netns_path;  // kPath
  const CgroupEntrance* cgroup = nullptr;
  const Bundle* view = nullptr;  // it shows this container's files (container_view_unsafe.h)
  std::string mounts_path;       // or what the monitor with this mount namespace shows
  int terminal = -1;             // becomes its controlling terminal, whose changes of size it passes on
};

struct Monitor {
  pid_t pid = -1;
  UniqueFd link;    // the sandbox's end (runsc-cli/control/protocol.h)
  UniqueFd report;  // how far it is
  bool in_place = false;
};

// Forked rather than executed: it runs a few lines of this very image, and starting a program would cost more time and
// memory than all it does. It is a session of its own in the network namespace asked for, without capabilities, with no
// descriptor but its link and few calls left (platform/host/monitor_filter.cc); it passes signals on, and ends as the
// guest process ended. When the sandbox is gone without a word it dies of SIGKILL. It sets itself up while the caller
// goes on.
absl::StatusOr<Monitor> StartMonitor(const MonitorOptions& options);
// It is in its namespaces and cgroup; or why not. Later calls do nothing.
absl::Status AwaitMonitor(Monitor& monitor);
// Tells it which sandbox it belongs to (0: it need not know), and waits until it has dropped what it does not need.
absl::Status FinishMonitor(Monitor& monitor, pid_t sandbox);

// For a container that did not come to be.
void EndMonitor(Monitor& monitor);

}  // namespace runsc
