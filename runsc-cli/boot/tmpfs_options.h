// The data options of a tmpfs mount: "mode=755,size=64k,uid=0,gid=0".
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "sentry/fs/tmpfs.h"

namespace runsc {

// `default_mode` applies without mode=. Options that only tune a real tmpfs (huge=, nr_inodes=, mpol=,
// inode64 ...) are accepted; unknown ones are errors, as on Linux.
absl::StatusOr<TmpfsOptions> ParseTmpfsOptions(std::string_view data, uint32_t default_mode);

// "64k", "1g", "50%" (of `total`), "4096".
std::optional<uint64_t> ParseTmpfsSize(std::string_view text, uint64_t total);

}  // namespace runsc
