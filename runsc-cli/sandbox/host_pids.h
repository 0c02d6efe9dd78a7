// What the host calls the processes that run guest code.
#pragma once

#include <sys/types.h>

#include <vector>

#include "runsc-cli/container/host_process.h"

namespace runsc {

// `inner`: pids as the sandbox's own pid namespace counts them. Those that are gone are left out.
std::vector<pid_t> ToHostPids(const HostProcess& sandbox, const std::vector<pid_t>& inner);

}  // namespace runsc
