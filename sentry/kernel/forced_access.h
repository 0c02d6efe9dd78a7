// Guest memory as a debugger sees it: what the mapping would not let the guest read or write, too (ptrace(2)'s
// PEEK and POKE, /proc/PID/mem).
#pragma once

#include "sentry/kernel/memory_manager.h"

namespace runsc {

// Copies up to the first byte that even a debugger cannot have: not mapped, beyond a file's end, or a write to
// memory that is shared and read-only. The bytes copied.
size_t ForceCopyIn(MemoryManager& mm, GuestAddr addr, void* dst, size_t size);
size_t ForceCopyOut(MemoryManager& mm, GuestAddr addr, const void* src, size_t size);

}  // namespace runsc
