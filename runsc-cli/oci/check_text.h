// Rules for texts of config.json. `field` is named in the error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace runsc {

absl::Status CheckNoNul(std::string_view field, std::string_view text);
absl::Status CheckNoNuls(std::string_view field, const std::vector<std::string>& texts);

// What the host can take for a path, absolute or not.
absl::Status CheckPathText(std::string_view field, std::string_view text);
absl::Status CheckAbsolute(std::string_view field, std::string_view text);

// For what becomes a line of a file of /proc or of a cgroup.
absl::Status CheckOneLine(std::string_view field, std::string_view text);

}  // namespace runsc
