// The table of system calls as text.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace runsc {

// format: table, csv or json. `path` "" is standard output.
absl::Status WriteSyscallTable(std::string_view format, const std::string& path);

}  // namespace runsc
