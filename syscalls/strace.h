// --strace: every system call of the guest as a line of text, arguments and results decoded.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "sentry/kernel/syscall_table.h"

namespace runsc {

struct StraceOptions {
  // Gets one line without a newline; called from any task's thread, with no lock held.
  std::function<void(std::string_view line)> log;
  std::string filter;       // comma-separated names of calls; empty: all
  size_t max_bytes = 1024;  // of one string or buffer
};

// For Kernel::SetTracer; with other options than before if it was made before. Null if the filter names an unknown
// call, which `*error` then says.
const SyscallTracer* NewStrace(StraceOptions options, std::string* error);

}  // namespace runsc
