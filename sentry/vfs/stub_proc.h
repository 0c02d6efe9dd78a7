// The host's view of a stub.
#pragma once

#include <sys/types.h>

#include "platform/base/result.h"
#include "platform/base/unique_fd.h"

namespace runsc {

// A file of the stub's directory in the sentry's own procfs, for reading. ENOENT without one.
Result<UniqueFd> OpenStubProc(pid_t pid, const char* file);

}  // namespace runsc
