// The host system calls a running sentry may make.
#pragma once

#include <vector>

#include "platform/host/seccomp_filter.h"

namespace runsc {

// `proc_root`: the only directory descriptor openat may use; -1: none. `traces_stubs`: it runs guests by ptrace.
std::vector<AllowedCall> SentryFilter(int proc_root, bool traces_stubs);

// An upper bound that keeps the list honest; a test holds it.
inline constexpr size_t kMaxSentryCalls = 60;

}  // namespace runsc
