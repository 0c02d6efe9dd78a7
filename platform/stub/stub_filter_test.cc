// The stubs' filter, judged by interpreting it.
#include "platform/stub/stub_filter.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "platform/stub/stub_layout.h"

namespace runsc::stub {
namespace {

constexpr uint64_t kSecret = 0x7123456789abc000;
constexpr uint32_t kDenied = SECCOMP_RET_ERRNO | EPERM;

uint32_t Interpret(const std::vector<sock_filter>& program, const seccomp_data& data) {
  uint32_t a = 0, x = 0;
  for (size_t pc = 0; pc < program.size(); pc++) {
    const sock_filter& i = program[pc];
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        memcpy(&a, reinterpret_cast<const char*>(&data) + i.k, 4);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= i.k;
        break;
      case BPF_ALU | BPF_ADD | BPF_X:
        a += x;
        break;
      case BPF_MISC | BPF_TAX:
        x = a;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        pc += a == i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        pc += a > i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        pc += a >= i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        pc += a & i.k ? i.jt : i.jf;
        break;
      case BPF_RET | BPF_K:
        return i.k;
      default:
        ADD_FAILURE() << "unknown instruction " << i.code;
        return 0;
    }
  }
  ADD_FAILURE() << "ran off the end";
  return 0;
}

class StubFilterTest : public testing::Test {
 protected:
  uint32_t Judge(uint64_t ip, uint64_t number, std::initializer_list<uint64_t> args = {},
                 uint32_t arch = AUDIT_ARCH_X86_64) {
    seccomp_data data{};
    data.nr = static_cast<int>(number);
    data.arch = arch;
    data.instruction_pointer = ip;
    std::copy(args.begin(), args.end(), data.args);
    return Interpret(filter_, data);
  }
  uint32_t FromStub(uint64_t number, std::initializer_list<uint64_t> args = {}) {
    return Judge(STUB_BASE + 0x123, number, args);
  }
  const std::vector<sock_filter> filter_ = BuildStubFilter(kSecret);
};

TEST_F(StubFilterTest, EverythingTrapsOutsideTheStubText) {
  for (uint64_t ip : {0x401000UL, 0x7dfbfffff000UL, STUB_BASE - 1UL, STUB_BASE + 1UL * STUB_TEXT_SIZE,
                      1UL * STUB_VDSO + 0x500, 0xffffffffff600000UL, 0x100000000UL + STUB_BASE}) {
    for (uint64_t number = 0; number < 600; number++) {
      EXPECT_EQ(Judge(ip, number, {0, 0, 0, 0, 0, kSecret}), SECCOMP_RET_TRAP) << ip << " " << number;
    }
  }
}

TEST_F(StubFilterTest, OtherArchitecturesTrap) {
  for (uint64_t number = 0; number < 600; number++) {
    EXPECT_EQ(Judge(STUB_BASE + 5, number, {0, 0, 0, 0, 0, kSecret}, AUDIT_ARCH_I386), SECCOMP_RET_TRAP);
  }
}

TEST_F(StubFilterTest, StubTextMayDoLittleWithoutTheSecret) {
  std::set<uint64_t> allowed;
  for (uint64_t number = 0; number < 1024; number++) {
    if (FromStub(number, {0, 0, 0, MAP_PRIVATE | MAP_ANONYMOUS, 0, 0}) == SECCOMP_RET_ALLOW) allowed.insert(number);
    EXPECT_EQ(FromStub(number | 0x40000000), kDenied) << "x32 " << number;
  }
  const std::set<uint64_t> expected{SYS_futex,      SYS_munmap,     SYS_mprotect,    SYS_madvise,       SYS_mmap,
                                    SYS_mremap,     SYS_exit,       SYS_sched_yield, SYS_clock_gettime, SYS_readv,
                                    SYS_writev,     SYS_preadv,     SYS_pwritev,     SYS_mincore,       SYS_msync,
                                    SYS_membarrier, SYS_futex_waitv};
  EXPECT_EQ(allowed, expected);
}

TEST_F(StubFilterTest, GatedCallsNeedTheWholeSecret) {
  for (uint64_t number : {SYS_clone, SYS_close_range, SYS_sigaltstack, SYS_rt_sigprocmask, SYS_prctl, SYS_mlock2,
                          SYS_munlock, SYS_mlockall, SYS_munlockall}) {
    EXPECT_EQ(FromStub(number, {0, 0, 0, 0, 0, kSecret}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(FromStub(number, {0, 0, 0, 0, 0, kSecret ^ 0x1000}), kDenied);
    EXPECT_EQ(FromStub(number, {0, 0, 0, 0, 0, kSecret ^ 1UL << 40}), kDenied);
    EXPECT_EQ(FromStub(number, {kSecret, kSecret, kSecret, kSecret, kSecret, 0}), kDenied);
  }
}

TEST_F(StubFilterTest, MemoryCallsStayBelowTheStub) {
  const uint64_t anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  struct {
    uint64_t addr, length;
    bool ok;
  } const ranges[] = {
      {0x10000, 4096, true},
      {GUEST_MAX_ADDR - 4096UL, 4096, true},
      {STUB_BASE, 4096, false},
      {STUB_SLOTS, STUB_SLOT_SIZE, false},
      {STUB_BASE - 4096UL, 8192, false},
      {0x10000, STUB_BASE, false},
      {0x7dfc00000000, 0xffff820400000000, false},
      {0xffffffffff000000, 0x1000, false},
      {STUB_END, 4096, false},
  };
  for (const auto& r : ranges) {
    const uint32_t want = r.ok ? SECCOMP_RET_ALLOW : kDenied;
    for (uint64_t number : {SYS_munmap, SYS_mprotect, SYS_madvise, SYS_msync}) {
      EXPECT_EQ(FromStub(number, {r.addr, r.length, 3}), want) << r.addr;
    }
    EXPECT_EQ(FromStub(SYS_mmap, {r.addr, r.length, 3, anonymous, ~0UL, 0}), want) << r.addr;
    EXPECT_EQ(FromStub(SYS_mremap, {r.addr, r.length, 4096, MREMAP_MAYMOVE, 0}), want) << r.addr;
    EXPECT_EQ(FromStub(SYS_mremap, {0x10000, 4096, r.length, 3, r.addr}), want) << r.addr;
    EXPECT_EQ(FromStub(SYS_munmap, {r.addr, r.length, 0, 0, 0, kSecret}), SECCOMP_RET_ALLOW);
  }
  EXPECT_EQ(FromStub(SYS_mmap, {0, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, ~0UL, 0}), kDenied);
}

TEST_F(StubFilterTest, FutexMovesNoWaiterOfTheEngine) {
  for (uint64_t op = 0; op < 256; op++) {
    const uint64_t command = op & 0x7f;
    const bool one_word = command == 0 || command == 1 || command == 9 || command == 10;
    const bool two_words = command == 3 || command == 4 || command == 5;
    EXPECT_EQ(FromStub(SYS_futex, {0x5000, op, 1, 0, 0x6000}), one_word || two_words ? SECCOMP_RET_ALLOW : kDenied);
    EXPECT_EQ(FromStub(SYS_futex, {STUB_SLOTS, op, 1, 0, 0x6000}), one_word ? SECCOMP_RET_ALLOW : kDenied);
    EXPECT_EQ(FromStub(SYS_futex, {0x5000, op, 1, 0, STUB_SLOTS}), one_word ? SECCOMP_RET_ALLOW : kDenied);
  }
}

TEST_F(StubFilterTest, ThreadPointers) {
  EXPECT_EQ(FromStub(SYS_arch_prctl, {0x1002, 0x5000}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(FromStub(SYS_arch_prctl, {0x1001, 0x5000}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(FromStub(SYS_arch_prctl, {0x1001, 0x5000, 0, 0, 0, kSecret}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(FromStub(SYS_arch_prctl, {0x1012, 0}), kDenied);  // CPUID faulting
}

}  // namespace
}  // namespace runsc::stub
