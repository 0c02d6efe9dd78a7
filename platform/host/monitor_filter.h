// The host system calls a monitor may make.
#pragma once

#include <sys/types.h>

#include <vector>

#include "platform/host/seccomp_filter.h"

namespace runsc {

// `self`: its own pid.
std::vector<AllowedCall> MonitorFilter(pid_t self);

}  // namespace runsc
