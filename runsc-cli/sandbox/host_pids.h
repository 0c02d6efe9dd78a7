// What the host calls the processes that run guest code.
#pragma once

#include <sys/types.h>

#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cli/container/host_process.h"

namespace runsc {

// `inner`: pids as the sandbox's own pid namespace counts them. Those that are gone are left out.
std::vector<pid_t> ToHostPids(const HostProcess& sandbox, const std::vector<pid_t>& inner);

// The stub that the sandbox calls `inner`. What must not happen to others than the sandbox's own processes is done to
// this one: a sandbox that was taken over may give any number.
absl::StatusOr<HostProcess> FindStub(const HostProcess& sandbox, pid_t inner);

}  // namespace runsc
