// Container ids: they become file names, so they are checked before anything else.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace runsc {

absl::Status CheckContainerId(std::string_view id);

}  // namespace runsc
