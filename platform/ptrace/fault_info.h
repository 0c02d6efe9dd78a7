// What a fault of the guest's is to the kernel.
#pragma once

#include <signal.h>

#include <optional>

#include "platform/platform.h"

namespace runsc::ptrace_engine {

// nullopt: no fault, but a signal that somebody sent.
std::optional<FaultInfo> FaultOf(const siginfo_t& info);

}  // namespace runsc::ptrace_engine
