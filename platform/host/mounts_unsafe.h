// The few mount operations a jail is made of.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"

namespace runsc {

// Nothing mounted here from now on shows up outside, nor the other way round.
absl::Status MakeMountsPrivate();

// Root directories of new mounts that are not attached anywhere.
absl::StatusOr<UniqueFd> NewTmpfs();
absl::StatusOr<UniqueFd> NewProcfs();  // read-only, subset=pid, of this pid namespace

// Makes `tmpfs` (from NewTmpfs) the root directory of the process and drops the old root, whole.
absl::Status PivotInto(int tmpfs);
// Attaches `mount` at directory `name`, which is made in the root.
absl::Status AttachInRoot(int root, int mount, const char* name);
// The root becomes read-only.
absl::Status SealRoot();

}  // namespace runsc
