// --strace: where the lines go.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "platform/base/unique_fd.h"
#include "sentry/kernel/kernel.h"

namespace runsc {

inline constexpr size_t kDefaultStraceBytes = 1024;

// Traces the calls of every container from now on. `calls`: comma-separated names, empty for all; `max_bytes` of a
// buffer are shown; `file` gets the lines, without one the debug log, if there is one.
absl::Status StartStrace(Kernel& kernel, std::string calls, size_t max_bytes, UniqueFd file);

}  // namespace runsc
