// The part of prctl(2) that is about capabilities (identity.cc).
#pragma once

#include "sentry/kernel/task.h"

namespace runsc {

SyscallResult CapabilityPrctl(Task& task, int option, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

}  // namespace runsc
