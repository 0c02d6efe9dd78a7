// The host system calls a running gofer may make.
#pragma once

#include <vector>

#include "platform/host/seccomp_filter.h"

namespace runsc {

std::vector<AllowedCall> GoferFilter();

inline constexpr size_t kMaxGoferCalls = 45;

}  // namespace runsc
