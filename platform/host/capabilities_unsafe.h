// Giving capabilities up, for good.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace runsc {

// Leaves exactly `keep` (bit n: CAP n) in the permitted and effective sets of the calling thread and
// nothing in the others; the bounding set becomes `keep` too, and no exec or setuid brings more.
// Call it while the process has one thread.
absl::Status LimitCapabilities(uint64_t keep);

}  // namespace runsc
