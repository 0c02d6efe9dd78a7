// Bytes for another process.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"

namespace runsc {

// The bytes as a descriptor that nobody can change any more.
absl::StatusOr<UniqueFd> SealedCopy(std::string_view bytes);

// The same of all that is in a regular file, wherever its offset is.
absl::StatusOr<UniqueFd> SealedCopyOfFile(int file);

}  // namespace runsc
