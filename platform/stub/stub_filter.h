// The one seccomp filter of all stubs: everything traps but the calls of the stub's own text.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

namespace runsc::stub {

// `secret` is known to the helper thread only (in a register); calls that guest code must never
// reach through a jump into the stub's text carry it as their unused sixth argument.
std::vector<sock_filter> BuildStubFilter(uint64_t secret);

}  // namespace runsc::stub
