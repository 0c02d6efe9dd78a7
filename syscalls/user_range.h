// Guest buffers that cannot be valid, whatever is mapped.
#pragma once

#include "sentry/kernel/task.h"

namespace runsc {

// EFAULT if part of it lies beyond what a program can have: Linux says so before it looks at anything else.
inline Result<void> CheckUserRange(GuestAddr addr, uint64_t size) {
  constexpr uint64_t kEnd = (uint64_t{1} << 47) - 4096;
  return size <= kEnd && addr <= kEnd - size ? Result<void>() : Errno(EFAULT);
}

}  // namespace runsc
