// Copies between the sentry and a stub. Partial: the bytes before the first page that is not there.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace runsc::stub {

size_t CopyFromStub(pid_t pid, uint64_t addr, void* dst, size_t size);
size_t CopyToStub(pid_t pid, uint64_t addr, const void* src, size_t size);

// Part of the stub's private bookkeeping (stub::LocalPages), which guest code can write.
bool ReadLocal(pid_t pid, size_t offset, void* dst, size_t size);
// True if thunks lie in the range, as far as the stub's own memory can be believed.
bool OverlapsThunks(pid_t pid, uint64_t addr, uint64_t length);

}  // namespace runsc::stub
