// How large an address space is: the numbers of /proc/PID/statm and the Vm lines of status.
#pragma once

#include <cstdint>

#include "sentry/kernel/memory_manager.h"

namespace runsc {

// In pages. The host's totals for the stub would count what the engine has reserved for itself, so sizes are
// added up from the guest's mappings; what is resident is the host's account.
struct ProcSizes {
  uint64_t total = 0, data = 0, stack = 0, text = 0, library = 0;
  uint64_t resident = 0, shared = 0;
};

// All zero for a null `mm` (zombies).
ProcSizes MeasureSizes(MemoryManager* mm);

}  // namespace runsc
