// See guest_memory.h.
#include "platform/stub/guest_memory.h"

#include <sys/uio.h>

#include <algorithm>

#include "platform/stub/stub_layout.h"

namespace runsc::stub {
namespace {

// The part of a range that lies where guests have memory (or in the vDSO, for reading).
size_t Clip(uint64_t addr, size_t size, bool reading) {
  if (addr < GUEST_MAX_ADDR) return std::min<uint64_t>(size, GUEST_MAX_ADDR - addr);
  constexpr uint64_t kVdsoEnd = STUB_VDSO + 0x100000;
  if (reading && addr >= STUB_VDSO && addr < kVdsoEnd) return std::min<uint64_t>(size, kVdsoEnd - addr);
  return 0;
}

}  // namespace

size_t CopyFromStub(pid_t pid, uint64_t addr, void* dst, size_t size) {
  size = Clip(addr, size, true);
  if (size == 0) return 0;
  const iovec local{dst, size}, remote{reinterpret_cast<void*>(addr), size};
  const ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
  return n < 0 ? 0 : static_cast<size_t>(n);
}

size_t CopyToStub(pid_t pid, uint64_t addr, const void* src, size_t size) {
  size = Clip(addr, size, false);
  if (size == 0) return 0;
  const iovec local{const_cast<void*>(src), size}, remote{reinterpret_cast<void*>(addr), size};
  const ssize_t n = process_vm_writev(pid, &local, 1, &remote, 1, 0);
  return n < 0 ? 0 : static_cast<size_t>(n);
}

bool ReadLocal(pid_t pid, size_t offset, void* dst, size_t size) {
  const iovec local{dst, size}, remote{reinterpret_cast<void*>(STUB_LOCAL + offset), size};
  return process_vm_readv(pid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

bool OverlapsThunks(pid_t pid, uint64_t addr, uint64_t length) {
  uint64_t arenas[stub::kMaxArenas];
  if (!ReadLocal(pid, offsetof(stub::LocalPages, arenas), arenas, sizeof arenas)) return false;
  return std::any_of(arenas, arenas + stub::kMaxArenas, [&](uint64_t arena) {
    return arena != 0 && arena < addr + length && addr < arena + stub::kArenaSize;
  });
}

}  // namespace runsc::stub
