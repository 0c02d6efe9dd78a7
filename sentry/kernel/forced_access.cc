#include "sentry/kernel/forced_access.h"

#include <sys/mman.h>

#include <algorithm>

namespace runsc {
namespace {

int ProtectionOf(const MemoryManager::Mapping& m) {
  return (m.perms[0] == 'r' ? PROT_READ : 0) | (m.perms[1] == 'w' ? PROT_WRITE : 0) |
         (m.perms[2] == 'x' ? PROT_EXEC : 0);
}

std::optional<MemoryManager::Mapping> FindMapping(MemoryManager& mm, GuestAddr addr) {
  const auto mappings = mm.Mappings();
  if (!mappings.ok()) return std::nullopt;
  for (const auto& m : *mappings) {
    if (addr >= m.start && addr < m.end) return m;
  }
  return std::nullopt;
}

bool Protect(MemoryManager& mm, GuestAddr start, GuestAddr end, int prot) {
  MapOp op{};
  op.kind = MapOp::kProtect;
  op.addr = start;
  op.length = end - start;
  op.prot = prot;
  return mm.address_space().Apply(std::span(&op, 1), nullptr).ok();
}

// Lends the pages at `addr` the right `needed` while `copy` runs on what lies in their mapping. Other threads of
// the guest may use it meanwhile, as they may at any time make it so themselves.
template <typename Copy>
size_t CopyWithRight(MemoryManager& mm, GuestAddr addr, size_t size, int needed, Copy copy) {
  constexpr GuestAddr kPage = 4096;
  const auto mapping = FindMapping(mm, addr);
  if (!mapping) return 0;
  const int prot = ProtectionOf(*mapping);
  const bool is_private = mapping->perms[3] == 'p';
  if ((prot & needed) || (needed == PROT_WRITE && !is_private)) return 0;
  size = std::min<size_t>(size, mapping->end - addr);
  const GuestAddr start = addr & ~(kPage - 1), end = (addr + size + kPage - 1) & ~(kPage - 1);
  if (!Protect(mm, start, end, prot | PROT_READ | needed)) return 0;
  const size_t n = copy(size);
  Protect(mm, start, end, prot);
  return n;
}

// Plainly as far as that goes, then with force, and so on.
template <typename Copy>
size_t CopyAll(MemoryManager& mm, GuestAddr addr, size_t size, int needed, Copy copy) {
  size_t done = copy(0, size);
  while (done < size) {
    const size_t forced = CopyWithRight(mm, addr + done, size - done, needed, [&](size_t n) { return copy(done, n); });
    if (forced == 0) break;
    done += forced;
    if (done < size) done += copy(done, size - done);
  }
  return done;
}

}  // namespace

size_t ForceCopyIn(MemoryManager& mm, GuestAddr addr, void* dst, size_t size) {
  return CopyAll(mm, addr, size, PROT_READ, [&](size_t at, size_t n) {
    return mm.address_space().CopyIn(addr + at, static_cast<std::byte*>(dst) + at, n);
  });
}

size_t ForceCopyOut(MemoryManager& mm, GuestAddr addr, const void* src, size_t size) {
  return CopyAll(mm, addr, size, PROT_WRITE, [&](size_t at, size_t n) {
    return mm.address_space().CopyOut(addr + at, static_cast<const std::byte*>(src) + at, n);
  });
}

}  // namespace runsc
