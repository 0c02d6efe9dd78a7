// The foreground life of a container, for `run` and `do`.
#pragma once

#include "absl/status/statusor.h"
#include "runsc-cli/sandbox/create.h"

namespace runsc {

// Creates, starts, waits, and deletes unless `keep`. The guest's exit status.
absl::StatusOr<int> RunForeground(StateStore& store, CreateOptions options, bool keep);

}  // namespace runsc
