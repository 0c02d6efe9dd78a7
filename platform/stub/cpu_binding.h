// On which CPU a thread runs.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace runsc::stub {

// Binds a thread (0: the calling one) to one CPU.
void BindToCpu(pid_t tid, uint32_t cpu);

}  // namespace runsc::stub
