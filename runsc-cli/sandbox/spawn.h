// Starts the two processes of a sandbox, the gofer and the sentry, and waits until the sentry is
// ready to run the container's init.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/host/child_process_unsafe.h"
#include "runsc-cli/base/flags.h"
#include "runsc-cli/cgroup/cgroup.h"
#include "runsc-cli/control/channel.h"
#include "runsc-cli/sandbox/bundle.h"

namespace runsc {

struct SandboxRequest {
  const FlagSet* globals = nullptr;
  std::string id;
  const Bundle* bundle = nullptr;
  int control_listener = -1;               // bound control socket
  int link = -1;                           // to the container's monitor
  std::vector<int> streams = {0, 1, 2};    // host descriptors of the container's stdio, then those inherited
  std::vector<int32_t> inherited_numbers;  // what the container calls these
  std::string network_of;                  // the network namespace to use instead of config.json's; "" for none
  const CgroupEntrance* cgroup = nullptr;  // never null: where all processes of the sandbox belong
  bool die_with_caller = false;            // foreground: SIGKILL when this process is gone
};

// The processes of a sandbox whose init has not been started. Dropping it without Commit() makes the
// sandbox exit by itself; Destroy() does not wait for that.
class Sandbox {
 public:
  static absl::StatusOr<Sandbox> Spawn(const SandboxRequest& request);
  Sandbox(Sandbox&&) = default;
  Sandbox& operator=(Sandbox&&) = default;

  pid_t pid() const { return sentry_.pid; }
  pid_t gofer_pid() const { return gofer_.pid; }
  // Both processes have exec'ed and the sentry reports ready; or why not.
  absl::Status AwaitReady();
  // From now on the sandbox lives without us. `start_now` also starts init.
  absl::Status Commit(bool start_now);
  void Destroy();

 private:
  Sandbox() = default;
  absl::Status SpawnSentry(const SandboxRequest& request, const std::vector<UniqueFd>& gofer_channels, UniqueFd sync);
  absl::Status SpawnWithOomScore(std::optional<int32_t> of_container, const SpawnOptions& options);
  absl::Status DescribeDeath();

  SpawnedProcess gofer_, sentry_;
  ControlChannel sync_;
};

}  // namespace runsc
