// What is remembered about a container between two commands: one JSON file in its state directory.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "runsc-cli/container/host_process.h"
#include "runsc-cli/container/lifecycle.h"

namespace runsc {

struct ContainerState {
  std::string id, bundle, rootfs, oci_version;
  ContainerStatus status = ContainerStatus::kCreating;  // as last written; see RefreshStatus
  HostProcess creator;                                  // the `create` or `run` that makes it
  HostProcess monitor;                                  // its pid is the container's: it lives as long as init does
  HostProcess sandbox;                                  // the sentry
  HostProcess gofer;
  std::map<std::string, std::string> cgroups;  // its directory in each hierarchy, by controller ("" is v2)
  std::string systemd_unit;                    // whose cgroup it is; "" if systemd did not make it
  std::string sandbox_id;  // the container whose sandbox this one lives in: itself, or its pod's first one
  uint32_t owner_uid = 0;
  std::string created;  // RFC 3339
  std::map<std::string, std::string> annotations;
};

std::string StateToJson(const ContainerState& state);
absl::StatusOr<ContainerState> StateFromJson(std::string_view json);

// The status now: what was written, corrected by which processes are still there.
ContainerStatus CurrentStatus(const ContainerState& state);

// The runtime spec's state document, as `runsc state` prints it (runc's extra fields included).
std::string OciStateJson(const ContainerState& state, ContainerStatus status);
// One element of `list --format=json`.
std::string ListEntryJson(const ContainerState& state, ContainerStatus status);
// The name of the owner, or the number if the host knows no name.
std::string OwnerName(uint32_t uid);

}  // namespace runsc
