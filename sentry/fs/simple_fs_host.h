// The few facts about the machine that are the guest's too, because its memory and CPU time are native.
#pragma once

#include <string>

#include "platform/base/result.h"

namespace runsc {

// Opens the files behind ReadHostText, which stay open. At boot, before the sentry gives up the host's /proc.
void OpenHostFacts();

// The host's file `path` as it is now: /proc/meminfo, /proc/cpuinfo, settings of its memory management.
// ENOENT for any other file, for what the host does not have, and before OpenHostFacts.
Result<std::string> ReadHostText(std::string_view path);

// Memory in bytes.
struct HostMemory {
  uint64_t total = 0, free = 0, available = 0, buffers = 0, shared = 0;
};
HostMemory ReadHostMemory();

}  // namespace runsc
