// Rewriting of call sites: `syscall` and the instruction after it become a jump to a thunk that
// enters the stub without a trap.
//
// The distance of the jump is chosen so that its third byte, which is where the moved instruction
// began, is an invalid opcode: a jump into the middle faults and is sent to the moved copy.
#include <linux/mman.h>

#include "platform/stub/text/stub_unsafe.h"

namespace runsc::stub {
namespace {

constexpr uint8_t kInvalidOpcodes[] = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27,
                                       0x2f, 0x37, 0x3f, 0x60, 0x61, 0xce, 0xd6};
constexpr uint64_t kPageSize = 4096, kLine = 64;
constexpr uint64_t kMaxJump = 0x7ff00000;
constexpr uint8_t kGiveUp = 255;
constexpr uint64_t kRead = 1, kWrite = 2, kExec = 4;

struct PatchState {
  uint32_t lock;
  uint32_t mappers;   // threads in calls that change mappings
  uint64_t site;      // being rewritten in steps, else 0
  uint64_t original;  // its eight bytes before
};
PatchState& Patch() { return *reinterpret_cast<PatchState*>(STUB_LOCAL + STUB_LOCAL_SIZE - 64); }
static_assert(sizeof(LocalPages) <= STUB_LOCAL_SIZE - 64);

bool IsRegisterForm(uint8_t modrm) { return modrm >= 0xc0; }

bool IsPadding(const uint8_t* p) {
  switch (p[0]) {
    case 0x0f:
      return p[1] == 0x1f;
    case 0x66:
      return p[1] == 0x90 || p[1] == 0x2e || p[1] == 0x66 || p[1] == 0x0f;
    case 0x90:
    case 0xcc:
    case 0x00:
      return p[1] == p[0];
    default:
      return false;
  }
}

// Length of the instructions at p that can run elsewhere and leave room for the jump; 0 if none.
int MovableLength(const uint8_t* p) {
  const bool rex_w = (p[0] & 0xf8) == 0x48;
  if (rex_w && p[1] == 0x3d) return 6;                  // cmp $imm32, %rax
  if (rex_w && p[1] == 0x83 && p[2] == 0xf8) return 4;  // cmp $imm8, %rax
  if (rex_w && (p[1] == 0x89 || p[1] == 0x8b || p[1] == 0x85 || p[1] == 0x31 || p[1] == 0x63) && IsRegisterForm(p[2])) {
    return 3;  // mov/test/xor/movslq
  }
  if (p[0] == 0x3d) return 5;                  // cmp $imm32, %eax
  if (p[0] == 0x83 && p[1] == 0xf8) return 3;  // cmp $imm8, %eax
  if ((p[0] & 0xf8) == 0x40 && p[1] == 0x89 && IsRegisterForm(p[2])) return 3;
  if ((p[0] == 0x89 || p[0] == 0x85) && IsRegisterForm(p[1]) && (p[2] & 0xf8) == 0x48 && p[3] == 0x3d) {
    return 8;
  }
  if (p[0] == 0xc3 && IsPadding(p + 1)) return 1;
  return 0;
}

bool TryLock() { return __atomic_exchange_n(&Patch().lock, 1, __ATOMIC_SEQ_CST) == 0; }
// Alone: nobody changes mappings while it is held (EnterMapping waits).
bool TryLockAlone() {
  if (!TryLock()) return false;
  if (__atomic_load_n(&Patch().mappers, __ATOMIC_SEQ_CST) == 0) return true;
  __atomic_store_n(&Patch().lock, 0, __ATOMIC_RELEASE);
  return false;
}
void Unlock() { __atomic_store_n(&Patch().lock, 0, __ATOMIC_RELEASE); }

bool Protect(uint64_t addr, uint64_t length, uint64_t prot) {
  const uint64_t begin = addr & ~(kPageSize - 1);
  const uint64_t end = (addr + length + kPageSize - 1) & ~(kPageSize - 1);
  return Syscall(__NR_mprotect, begin, end - begin, prot) == 0;
}

bool InReach(uint64_t site, uint64_t arena) {
  const uint64_t distance = arena > site ? arena - site : site - arena;
  return distance < kMaxJump;
}

// A free thunk of the arena that `site` can jump to with an invalid third byte; 0 if none.
uint64_t TakeThunk(int index, uint64_t site) {
  const uint64_t arena = Local().arenas[index];
  uint32_t* used = Local().used[index];
  for (uint32_t i = 1; i < kArenaSize / sizeof(Thunk); i++) {
    if (used[i / 32] >> (i % 32) & 1) continue;
    const uint64_t at = arena + i * sizeof(Thunk);
    const uint8_t third = static_cast<uint8_t>((at - (site + 5)) >> 8);
    for (uint8_t opcode : kInvalidOpcodes) {
      if (third != opcode) continue;
      used[i / 32] |= 1u << (i % 32);
      return at;
    }
  }
  return 0;
}

uint64_t MapArenaAt(uint64_t addr) {
  if (addr < GUEST_MIN_ADDR || addr > Info().max_addr - kArenaSize) return 0;
  const int64_t at =
      Syscall(__NR_mmap, addr, kArenaSize, kRead | kExec, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~0UL, 0);
  return at == static_cast<int64_t>(addr) ? addr : 0;
}

// Below the code if possible: what grows (heap, stack) is rarely in the way there.
uint64_t MapArena(uint64_t site) {
  const uint64_t base = site & ~(kArenaSize - 1);
  for (uint64_t step = 1; step <= 48; step++) {
    if (uint64_t at = MapArenaAt(base - step * kArenaSize)) return at;
  }
  for (uint64_t step = 1; step <= 100; step++) {
    if (uint64_t at = MapArenaAt(base - step * (16 << 20))) return at;
  }
  for (uint64_t step = 100; step >= 1; step--) {
    if (uint64_t at = MapArenaAt(base + step * (16 << 20))) return at;
  }
  return 0;
}

uint64_t FindThunk(uint64_t site) {
  for (int i = 0; i < kMaxArenas; i++) {
    if (Local().arenas[i] == 0) {
      Local().arenas[i] = MapArena(site);
      if (Local().arenas[i] == 0) return 0;
    }
    if (!InReach(site, Local().arenas[i])) continue;
    if (uint64_t at = TakeThunk(i, site)) return at;
  }
  return 0;
}

Thunk MakeThunk(uint64_t at, const uint8_t* bytes, uint64_t site, uint64_t moved) {
  Thunk thunk{};
  uint8_t* p = thunk.code;
  // lea kThunkReturn(thunk), %rcx; jmp *%gs:TP_ENTRY
  constexpr uint8_t kEnter[] = {0x48, 0x8d, 0x0d, 8, 0, 0, 0, 0x65, 0xff, 0x24, 0x25, TP_ENTRY, 0, 0, 0};
  static_assert(sizeof(kEnter) == kThunkReturn);
  for (uint64_t i = 0; i < sizeof(kEnter); i++) p[i] = kEnter[i];
  for (uint64_t i = 0; i < moved; i++) p[kThunkReturn + i] = bytes[2 + i];
  const uint64_t back = kThunkReturn + moved;
  p[back] = 0xe9;
  const uint32_t distance = static_cast<uint32_t>(site + 2 + moved - (at + back + 5));
  __builtin_memcpy(p + back + 1, &distance, 4);
  thunk.site = site;
  thunk.moved = moved;
  thunk.magic = kThunkMagic;
  return thunk;
}

bool StoreByte(uint64_t addr, uint64_t value) {
  const uint8_t byte = static_cast<uint8_t>(value);
  const bool ok = CopyToGuest(addr, byte);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  return ok;
}

// As WriteSite, for bytes in two cache lines: whoever comes by meanwhile traps and tries again.
bool WriteInSteps(uint64_t site, uint64_t old, uint64_t word) {
  Patch().original = old;
  __atomic_store_n(&Patch().site, site, __ATOMIC_SEQ_CST);
  bool ok = StoreByte(site, 0xcc);
  for (uint64_t i = 1; i < 5 && ok; i++) ok = StoreByte(site + i, word >> (8 * i));
  ok = ok && StoreByte(site, word);
  __atomic_store_n(&Patch().site, 0, __ATOMIC_SEQ_CST);
  return ok;
}

// Replaces the five bytes of a site so that another thread executes either the old or the new
// instruction. False if the eight bytes there are no longer `old`, or no longer there.
bool WriteSite(uint64_t site, uint64_t old, uint64_t five) {
  const uint64_t word = (old & ~0xffffffffffUL) | five;
  if ((site & (kLine - 1)) <= kLine - 8) return safe_cmpxchg8(site, old, word) == 0;
  uint64_t now;
  return CopyFromGuest(&now, site) && now == old && WriteInSteps(site, old, word);
}

bool WriteJump(uint64_t site, const uint8_t* bytes, uint64_t thunk) {
  uint64_t old;
  __builtin_memcpy(&old, bytes, 8);
  return WriteSite(site, old, 0xe9 | ((thunk - (site + 5)) & 0xffffffff) << 8);
}

bool Rewrite(uint64_t site, const uint8_t* bytes, uint64_t moved) {
  const uint64_t at = FindThunk(site);
  if (at == 0 || !Protect(at, sizeof(Thunk), kRead | kWrite | kExec)) return false;
  const bool filled = CopyToGuest(at, MakeThunk(at, bytes, site, moved));
  Protect(at, sizeof(Thunk), kRead | kExec);
  if (!filled || !Protect(site, 8, kRead | kWrite | kExec)) return false;
  const bool written = WriteJump(site, bytes, at);
  Protect(site, 8, kRead | kExec);
  return written;
}

// The thunk a call site jumps to; false if `site` is not rewritten. Reads guest memory safely.
bool FindThunkOf(uint64_t site, uint64_t* address, Thunk* thunk) {
  uint8_t bytes[5];
  if (safe_copy(bytes, reinterpret_cast<void*>(site), 5) != 0 || bytes[0] != 0xe9) return false;
  int32_t distance;
  __builtin_memcpy(&distance, bytes + 1, 4);
  *address = site + 5 + static_cast<uint64_t>(static_cast<int64_t>(distance));
  return CopyFromGuest(thunk, *address) && thunk->magic == kThunkMagic && thunk->site == site;
}

bool InArena(uint64_t rip) {
  for (int i = 0; i < kMaxArenas && Local().arenas[i]; i++) {
    if (rip - Local().arenas[i] < kArenaSize) return true;
  }
  return false;
}

// Puts back what the thunk at `at` stands for. Padding that the jump overwrote becomes padding.
void RestoreSite(uint64_t at) {
  Thunk thunk, found;
  uint64_t target;
  if (!CopyFromGuest(&thunk, at) || thunk.magic != kThunkMagic) return;
  if (!FindThunkOf(thunk.site, &target, &found) || target != at) return;
  uint8_t bytes[8] = {0x0f, 0x05, 0xcc, 0xcc, 0xcc};
  for (uint64_t i = 0; i < 3 && i < thunk.moved; i++) bytes[2 + i] = thunk.code[kThunkReturn + i];
  uint64_t five;
  __builtin_memcpy(&five, bytes, 8);
  uint64_t old;
  if (!CopyFromGuest(&old, thunk.site) || !Protect(thunk.site, 8, kRead | kWrite | kExec)) return;
  WriteSite(thunk.site, old, five & 0xffffffffffUL);
  Protect(thunk.site, 8, kRead | kExec);
}

// Writable code may be rewritten by its owner; a shared page is not ours to change.
bool IsWritable(uint64_t site) {
  return safe_probe_write(reinterpret_cast<void*>(site)) == 0 ||
         safe_probe_write(reinterpret_cast<void*>(site + 7)) == 0;
}

bool TryPatch(ThreadPage* t, uint64_t site) {
  uint8_t bytes[16];
  if (safe_copy(bytes, reinterpret_cast<void*>(site), 10) != 0) return false;
  if (bytes[0] != 0x0f || bytes[1] != 0x05) return false;
  const int moved = MovableLength(bytes + 2);
  if (moved == 0 || Ask(t, kEventPatchQuery, site) != 1) return false;
  if (!TryLockAlone()) return true;  // next time
  // Others may have changed the mapping before the lock.
  const bool done = !Local().uses_gs && !Info().show_original && !IsWritable(site) &&
                    Rewrite(site, bytes, static_cast<uint64_t>(moved));
  Unlock();
  return done;
}

}  // namespace

// A guest that wrote over the counters waits for nobody for ever.
void EnterMapping() {
  constexpr int kPatience = 10000;
  for (int i = 0; i < kPatience; i++) {
    __atomic_fetch_add(&Patch().mappers, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&Patch().lock, __ATOMIC_SEQ_CST) == 0) return;
    LeaveMapping();
    Syscall(__NR_sched_yield);
  }
  __atomic_fetch_add(&Patch().mappers, 1, __ATOMIC_SEQ_CST);
}

void LeaveMapping() { __atomic_fetch_sub(&Patch().mappers, 1, __ATOMIC_SEQ_CST); }

void StopPatching() {
  __atomic_store_n(&Local().uses_gs, 1, __ATOMIC_SEQ_CST);
  RestoreAllSites();
}

void RestoreAllSites() {
  while (!TryLockAlone()) Syscall(__NR_sched_yield);
  for (int i = 0; i < kMaxArenas && Local().arenas[i]; i++) {
    for (uint64_t k = 1; k < kArenaSize / sizeof(Thunk); k++) {
      if (Local().used[i][k / 32] >> (k % 32) & 1) RestoreSite(Local().arenas[i] + k * sizeof(Thunk));
    }
  }
  Unlock();
}

uint64_t MaybePatch(ThreadPage* t, uint64_t after_site) {
  const uint64_t site = after_site - 2;
  if (site >= Info().max_addr || t->regs.rflags & 1 << 8 || Local().uses_gs || Info().show_original) return after_site;
  uint8_t* hits = &Local().hits[(site ^ site >> 12) & (sizeof(LocalPages::hits) - 1)];
  if (*hits == kGiveUp || ++*hits <= Info().patch_after) return after_site;
  *hits = TryPatch(t, site) ? 0 : kGiveUp;
  return ResumableRip(after_site);
}

uint64_t CanonicalRip(uint64_t rip) {
  if (!InArena(rip)) return rip;
  Thunk thunk;
  const uint64_t at = rip & ~(sizeof(Thunk) - 1);
  if (!CopyFromGuest(&thunk, at) || thunk.magic != kThunkMagic) return rip;
  const uint64_t offset = rip - at;
  if (offset < kThunkReturn) return thunk.site;
  return thunk.site + 2 + (offset == kThunkReturn ? 0 : thunk.moved);
}

uint64_t ResumableRip(uint64_t rip) {
  Thunk thunk;
  uint64_t address;
  return FindThunkOf(rip - 2, &address, &thunk) ? address + kThunkReturn : rip;
}

bool OverlapsThunks(uint64_t addr, uint64_t length) {
  for (int i = 0; i < kMaxArenas && Local().arenas[i]; i++) {
    const uint64_t arena = Local().arenas[i];
    if (addr < arena + kArenaSize && addr + length > arena) return true;
  }
  return false;
}

bool IsPatchTrap(uint64_t rip) {
  const uint64_t site = rip - 1;
  if (__atomic_load_n(&Patch().site, __ATOMIC_SEQ_CST) == site) return true;
  Thunk thunk;
  uint64_t address;
  return FindThunkOf(site, &address, &thunk);
}

void RepairAfterFork() {
  const uint64_t site = Patch().site;
  if (site != 0 && Protect(site, 8, kRead | kWrite | kExec)) {
    const uint64_t original = Patch().original;
    safe_copy(reinterpret_cast<void*>(site), &original, 5);
    Protect(site, 8, kRead | kExec);
  }
  Patch().site = 0;
  Patch().lock = 0;
  Patch().mappers = 0;
  Local().break_lock = 0;
}

}  // namespace runsc::stub
