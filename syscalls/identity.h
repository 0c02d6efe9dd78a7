// The part of prctl(2) that is about capabilities (identity.cc).
#pragma once

#include "sentry/kernel/task.h"

namespace runsc {

SyscallResult CapabilityPrctl(Task& task, int option, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

// PR_SET_SECCOMP (seccomp.cc).
SyscallResult SeccompPrctl(Task& task, uint64_t mode, GuestAddr program);

}  // namespace runsc
