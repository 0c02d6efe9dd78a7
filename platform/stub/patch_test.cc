// Rewriting of call sites and the mapping of addresses between sites and thunks, outside of a stub: the
// stub's own source, with its memory at the stub's addresses.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

#include "platform/stub/text/patch_unsafe.cc"

namespace runsc::stub {
namespace {

bool answer;  // may the site be rewritten?

bool Transfer(bool write, void* local, uint64_t remote, size_t size) {
  const iovec here{local, size}, there{reinterpret_cast<void*>(remote), size};
  const auto call = write ? process_vm_writev : process_vm_readv;
  return call(getpid(), &here, 1, &there, 1, 0) == static_cast<ssize_t>(size);
}

bool CanWrite(uint64_t addr) {
  uint8_t byte;
  return Transfer(false, &byte, addr, 1) && Transfer(true, &byte, addr, 1);
}

}  // namespace

// What the stub's assembler does.
extern "C" int64_t safe_copy(void* dst, const void* src, uint64_t n) {
  uint8_t bounce[256];
  if (n > sizeof bounce) return -14;
  const bool ok = Transfer(false, bounce, reinterpret_cast<uint64_t>(src), n) &&
                  Transfer(true, bounce, reinterpret_cast<uint64_t>(dst), n);
  return ok ? 0 : -14;
}
extern "C" int64_t safe_probe_write(void* at) { return CanWrite(reinterpret_cast<uint64_t>(at)) ? 0 : -14; }
extern "C" int64_t safe_cmpxchg8(uint64_t at, uint64_t old_value, uint64_t new_value) {
  if (!CanWrite(at) || !CanWrite(at + 7)) return -14;
  auto* word = reinterpret_cast<uint64_t*>(at);
  return __atomic_compare_exchange_n(word, &old_value, new_value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ? 0 : 1;
}
uint64_t Ask(ThreadPage*, EventKind, uint64_t) { return answer; }

namespace {

constexpr size_t kPages = 2;
constexpr uint64_t kMoved = 6;

class PatchTest : public testing::Test {
 protected:
  static void Map(uint64_t at, size_t size) {
    void* page = mmap(reinterpret_cast<void*>(at), size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page != reinterpret_cast<void*>(at)) GTEST_SKIP() << "the stub's addresses are taken here";
  }
  void SetUp() override {
    Map(STUB_INFO, sizeof(InfoPage));
    if (!IsSkipped()) Map(STUB_LOCAL, STUB_LOCAL_SIZE);
    if (IsSkipped()) return;
    auto* info = reinterpret_cast<InfoPage*>(STUB_INFO);
    info->max_addr = STUB_BASE;
    info->patch_after = 2;
    answer = true;
    code_ = static_cast<uint8_t*>(mmap(reinterpret_cast<void*>(0x200000000000), kPages * kPageSize,
                                       PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(code_, MAP_FAILED);
  }
  void TearDown() override {
    if (IsSkipped()) return;
    munmap(reinterpret_cast<void*>(STUB_INFO), sizeof(InfoPage));
    for (uint64_t arena : Local().arenas) {
      if (arena != 0) munmap(reinterpret_cast<void*>(arena), kArenaSize);
    }
    munmap(reinterpret_cast<void*>(STUB_LOCAL), STUB_LOCAL_SIZE);
    if (code_ != nullptr) munmap(code_, kPages * kPageSize);
  }

  // syscall; cmp $-4095, %rax; ret
  uint64_t PutSite(size_t offset) {
    constexpr uint8_t kCode[] = {0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3};
    memcpy(code_ + offset, kCode, sizeof kCode);
    return reinterpret_cast<uint64_t>(code_ + offset);
  }
  void Protect(int prot) { ASSERT_EQ(mprotect(code_, kPages * kPageSize, prot), 0); }
  // As many traps of the site as make it hot; the address to go on at.
  uint64_t Trap(uint64_t site, int times = 3) {
    uint64_t rip = 0;
    for (int i = 0; i < times; i++) rip = MaybePatch(&thread_, site + 2);
    return rip;
  }
  static uint64_t ThunkOf(uint64_t site) {
    Thunk thunk;
    uint64_t at = 0;
    return FindThunkOf(site, &at, &thunk) ? at : 0;
  }

  uint8_t* code_ = nullptr;
  ThreadPage thread_{};
};

TEST_F(PatchTest, AHotSiteBecomesAJump) {
  const uint64_t site = PutSite(64);
  Protect(PROT_READ | PROT_EXEC);
  EXPECT_EQ(Trap(site, 2), site + 2);
  EXPECT_EQ(code_[64], 0x0f);
  const uint64_t rip = Trap(site, 1);
  const uint64_t thunk = ThunkOf(site);
  ASSERT_NE(thunk, 0u);
  EXPECT_EQ(rip, thunk + kThunkReturn);
  EXPECT_EQ(memcmp(reinterpret_cast<void*>(thunk + kThunkReturn), "\x48\x3d\x01\xf0\xff\xff", kMoved), 0);
  EXPECT_EQ(memchr(kInvalidOpcodes, code_[64 + 2], sizeof kInvalidOpcodes) != nullptr, true);
  EXPECT_EQ(code_[64 + 8], 0xc3);  // what follows is untouched
}

TEST_F(PatchTest, EveryAddressOfAThunkHasOneOfTheSite) {
  const uint64_t site = PutSite(64);
  Protect(PROT_READ | PROT_EXEC);
  Trap(site);
  const uint64_t thunk = ThunkOf(site);
  ASSERT_NE(thunk, 0u);
  for (uint64_t i = 0; i < kThunkReturn; i++) EXPECT_EQ(CanonicalRip(thunk + i), site);
  EXPECT_EQ(CanonicalRip(thunk + kThunkReturn), site + 2);
  EXPECT_EQ(CanonicalRip(thunk + kThunkReturn + kMoved), site + 2 + kMoved);
  EXPECT_EQ(CanonicalRip(site), site);
  EXPECT_EQ(CanonicalRip(thunk + sizeof(Thunk)), thunk + sizeof(Thunk));  // a free one
  EXPECT_EQ(CanonicalRip(0), 0u);
}

// A call is restarted two bytes before where it returns to: at the jump, which enters it again.
TEST_F(PatchTest, RestartingGoesThroughTheSite) {
  const uint64_t site = PutSite(64);
  Protect(PROT_READ | PROT_EXEC);
  const uint64_t returns_to = Trap(site);
  const uint64_t restart = CanonicalRip(returns_to) - 2;
  EXPECT_EQ(restart, site);
  EXPECT_EQ(ResumableRip(restart), restart);
  EXPECT_EQ(ResumableRip(CanonicalRip(returns_to)), returns_to);
  EXPECT_EQ(ResumableRip(site + 2 + kMoved), site + 2 + kMoved);
}

TEST_F(PatchTest, SitesAcrossCacheLinesAndPages) {
  for (size_t offset : {kLine - 1, kLine - 4, kLine - 7, kPageSize - 1, kPageSize - 5}) {
    Protect(PROT_READ | PROT_WRITE);
    const uint64_t site = PutSite(offset);
    Protect(PROT_READ | PROT_EXEC);
    EXPECT_NE(Trap(site), site + 2) << offset;
    EXPECT_NE(ThunkOf(site), 0u) << offset;
    EXPECT_EQ(Patch().site, 0u);
  }
}

TEST_F(PatchTest, NotOursToChange) {
  const uint64_t site = PutSite(64);
  EXPECT_EQ(Trap(site, 9), site + 2);  // writable
  Protect(PROT_READ | PROT_EXEC);
  memset(Local().hits, 0, sizeof Local().hits);
  answer = false;  // shared
  EXPECT_EQ(Trap(site, 9), site + 2);
  memset(Local().hits, 0, sizeof Local().hits);
  answer = true;
  thread_.regs.rflags = 1 << 8;  // single-stepped
  EXPECT_EQ(Trap(site, 9), site + 2);
  EXPECT_EQ(code_[64], 0x0f);
}

TEST_F(PatchTest, WaitsForThoseWhoChangeMappings) {
  const uint64_t site = PutSite(64);
  Protect(PROT_READ | PROT_EXEC);
  EnterMapping();
  EXPECT_EQ(Trap(site, 3), site + 2);
  EXPECT_EQ(code_[64], 0x0f);
  LeaveMapping();
  EXPECT_NE(Trap(site, 3), site + 2);
  EXPECT_EQ(code_[64], 0xe9);
}

TEST_F(PatchTest, ChangedOrVanishedCodeIsNotOverwritten) {
  const uint64_t site = PutSite(64), crossing = PutSite(kLine * 4 - 3);
  uint8_t seen[10];
  memcpy(seen, code_ + 64, sizeof seen);
  code_[64 + 3] ^= 1;
  EXPECT_FALSE(WriteJump(site, seen, site + 0x10000));
  code_[64 + 3] ^= 1;
  Protect(PROT_READ | PROT_EXEC);
  EXPECT_FALSE(WriteJump(site, seen, site + 0x10000));
  EXPECT_FALSE(WriteJump(crossing, seen, site + 0x10000));
  EXPECT_EQ(Patch().site, 0u);
  EXPECT_EQ(memcmp(code_ + 64, seen, sizeof seen), 0);
  ASSERT_EQ(munmap(code_, kPages * kPageSize), 0);
  EXPECT_FALSE(WriteJump(site, seen, site + 0x10000));
}

TEST_F(PatchTest, AForkInTheMiddleOfARewriteIsUndone) {
  const uint64_t site = PutSite(kLine * 4 - 3);
  uint64_t original;
  memcpy(&original, reinterpret_cast<void*>(site), 8);
  code_[kLine * 4 - 3] = 0xcc;
  code_[kLine * 4 - 2] = 0x77;
  Patch() = {1, 3, site, original};
  Protect(PROT_READ | PROT_EXEC);
  EXPECT_TRUE(IsPatchTrap(site + 1));
  RepairAfterFork();
  EXPECT_EQ(memcmp(reinterpret_cast<void*>(site), &original, 8), 0);
  EXPECT_FALSE(IsPatchTrap(site + 1));
  EXPECT_NE(Trap(site), site + 2);  // and can be rewritten
}

TEST_F(PatchTest, StoppingPutsEverythingBack) {
  const uint64_t site = PutSite(64), other = PutSite(kLine * 4 - 3);
  uint8_t before[kPageSize];
  memcpy(before, code_, sizeof before);
  Protect(PROT_READ | PROT_EXEC);
  Trap(site);
  Trap(other);
  ASSERT_NE(memcmp(before, code_, sizeof before), 0);
  StopPatching();
  EXPECT_EQ(memcmp(before, code_, 64 + 5), 0);
  EXPECT_EQ(code_[kLine * 4 - 3], 0x0f);
  EXPECT_EQ(Trap(site, 9), site + 2);
}

}  // namespace
}  // namespace runsc::stub
