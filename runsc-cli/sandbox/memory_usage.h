// What a container's memory is on the host.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runsc-cli/container/state.h"

namespace runsc {

// Bytes; pages that several processes share are split between them.
struct MemoryUsage {
  uint64_t anonymous = 0;  // of the guest's processes
  uint64_t mapped = 0;     // files they have mapped
  uint64_t tmpfs = 0;      // files in memory and shared memory: of the whole sandbox
  uint64_t system = 0;     // the sentry and the gofer
  uint64_t total() const { return anonymous + mapped + tmpfs + system; }
};

// `stubs`: host pids of the processes that run the container's programs.
MemoryUsage MeasureMemory(const ContainerState& state, const std::vector<pid_t>& stubs);

// The value of a line "NAME:   N kB", in bytes; 0 if there is none.
uint64_t KilobyteLine(std::string_view text, std::string_view name);

}  // namespace runsc
