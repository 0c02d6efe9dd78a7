// The host's view of a stub's mappings, as the guest may see it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "platform/stub/engine.h"

namespace runsc::stub {

// True if `addr` lies in a private mapping that can be executed but not written.
bool IsPrivateText(const Engine& engine, pid_t pid, uint64_t addr);

// Drops the stub's own areas from the text of /proc/PID/maps or smaps.
std::string StripStubAreas(std::string_view text);

}  // namespace runsc::stub
