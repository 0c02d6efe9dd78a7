// The table type the run loop dispatches through; filled by syscalls/ and handed to the kernel at boot,
// so that the kernel does not depend on the handlers.
#pragma once

#include "platform/base/result.h"
#include "platform/platform.h"

namespace runsc {

class Task;
using SyscallResult = Result<int64_t>;

struct SyscallEntry {
  SyscallResult (*handler)(Task& task, const SyscallRequest& request) = nullptr;  // null: ENOSYS
};

struct SyscallTable {
  static constexpr size_t kSize = 512;
  SyscallEntry entries[kSize];
};

// Called around every call (--strace).
struct SyscallTracer {
  void (*enter)(Task& task, const SyscallRequest& request);
  void (*exit)(Task& task, const SyscallRequest& request, const SyscallResult& result);
};

}  // namespace runsc
