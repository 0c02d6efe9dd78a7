// See stub_filter.h. docs/platforms.md says for each call why it may run.
#include "platform/stub/stub_filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>
#include <initializer_list>

#include "platform/stub/bpf_assembler.h"
#include "platform/stub/stub_layout.h"

namespace runsc::stub {
namespace {

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t kTrap = SECCOMP_RET_TRAP;
constexpr uint32_t kDeny = SECCOMP_RET_ERRNO | EPERM;
constexpr int kSecretArg = 5;
// High word of the last 4 GiB block a guest range may touch: two blocks below the stub.
constexpr uint32_t kLastGuestBlock = (STUB_BASE >> 32) - 3;

void AllowIfSecret(BpfAssembler& rule, uint64_t secret) {
  BpfAssembler high;
  high.LoadArgHigh(kSecretArg);
  high.ReturnIfEqual(static_cast<uint32_t>(secret >> 32), kAllow);
  rule.LoadArgLow(kSecretArg);
  rule.IfEqual(static_cast<uint32_t>(secret), high);
}

// Refuses [addr, addr + length) unless it ends well below the stub; no sum can wrap unnoticed.
void DenyUnlessGuestRange(BpfAssembler& rule, int addr, int length) {
  rule.LoadArgHigh(length);
  rule.ReturnIfGreater(kLastGuestBlock, kDeny);
  rule.SaveToX();
  rule.LoadArgHigh(addr);
  rule.ReturnIfGreater(kLastGuestBlock, kDeny);
  rule.AddX();
  rule.ReturnIfGreater(kLastGuestBlock, kDeny);
}

BpfAssembler GuestRangeRule(uint64_t secret) {
  BpfAssembler rule;
  AllowIfSecret(rule, secret);
  DenyUnlessGuestRange(rule, 0, 1);
  rule.Return(kAllow);
  return rule;
}

// A file mapping needs an fd, and only the helper has any; anonymous memory must be private.
BpfAssembler MmapRule(uint64_t secret) {
  BpfAssembler file;
  file.Return(kAllow);
  BpfAssembler rule;
  rule.LoadArgLow(3);
  rule.IfNoBits(MAP_ANONYMOUS, file);
  AllowIfSecret(rule, secret);
  rule.LoadArgLow(3);
  rule.ReturnUnlessAnyBit(MAP_PRIVATE, kDeny);
  DenyUnlessGuestRange(rule, 0, 1);
  rule.Return(kAllow);
  return rule;
}

BpfAssembler MremapRule(uint64_t secret) {
  BpfAssembler rule;
  AllowIfSecret(rule, secret);
  DenyUnlessGuestRange(rule, 0, 1);
  DenyUnlessGuestRange(rule, 4, 2);
  rule.Return(kAllow);
  return rule;
}

// Waiting and waking anywhere. Operations that move waiters are for guest words only: the engine's
// own waiters must stay where they are.
BpfAssembler FutexRule() {
  BpfAssembler rule;
  rule.LoadArgLow(1);
  rule.And(0x7f);
  for (uint32_t op : {0, 1, 9, 10}) rule.ReturnIfEqual(op, kAllow);
  BpfAssembler two_words;
  two_words.LoadArgHigh(0);
  two_words.ReturnIfGreater(kLastGuestBlock, kDeny);
  two_words.LoadArgHigh(4);
  two_words.ReturnIfGreater(kLastGuestBlock, kDeny);
  two_words.Return(kAllow);
  for (uint32_t op : {3, 4, 5}) rule.IfEqual(op, two_words);
  rule.Return(kDeny);
  return rule;
}

BpfAssembler ArchPrctlRule(uint64_t secret) {
  BpfAssembler rule;
  rule.LoadArgLow(0);
  rule.ReturnIfEqual(0x1001 /* ARCH_SET_GS */, kAllow);  // as guest code may where the CPU lets it
  rule.ReturnIfEqual(0x1002 /* ARCH_SET_FS */, kAllow);
  AllowIfSecret(rule, secret);
  rule.Return(kDeny);
  return rule;
}

BpfAssembler SecretRule(uint64_t secret) {
  BpfAssembler rule;
  AllowIfSecret(rule, secret);
  rule.Return(kDeny);
  return rule;
}

BpfAssembler Always() {
  BpfAssembler rule;
  rule.Return(kAllow);
  return rule;
}

void TrapUnlessStubText(BpfAssembler& filter) {
  filter.LoadArch();
  filter.ReturnUnlessEqual(AUDIT_ARCH_X86_64, kTrap);
  filter.LoadIpHigh();
  filter.ReturnUnlessEqual(STUB_BASE >> 32, kTrap);
  filter.LoadIpLow();
  filter.ReturnIfAtLeast(STUB_TEXT_SIZE, kTrap);
}

}  // namespace

std::vector<sock_filter> BuildStubFilter(uint64_t secret) {
  static_assert((STUB_BASE & 0xffffffff) == 0);
  BpfAssembler filter;
  TrapUnlessStubText(filter);
  filter.LoadNumber();
  filter.IfEqual(SYS_futex, FutexRule());
  for (uint32_t number : {SYS_munmap, SYS_mprotect, SYS_madvise, SYS_mincore, SYS_msync}) {
    filter.IfEqual(number, GuestRangeRule(secret));
  }
  filter.IfEqual(SYS_mmap, MmapRule(secret));
  filter.IfEqual(SYS_mremap, MremapRule(secret));
  filter.IfEqual(SYS_arch_prctl, ArchPrctlRule(secret));
  // Waits on words as futex does; barriers between the threads of this process.
  for (uint32_t number : {SYS_futex_waitv, SYS_membarrier}) filter.IfEqual(number, Always());
  // No fds, no effect: bulk transfers of the helper.
  for (uint32_t number :
       {SYS_exit, SYS_sched_yield, SYS_clock_gettime, SYS_readv, SYS_writev, SYS_preadv, SYS_pwritev}) {
    filter.IfEqual(number, Always());
  }
  for (uint32_t number : {SYS_clone, SYS_close_range, SYS_sigaltstack, SYS_rt_sigprocmask, SYS_prctl, SYS_mlock2,
                          SYS_munlock, SYS_mlockall, SYS_munlockall}) {
    filter.IfEqual(number, SecretRule(secret));
  }
  filter.Return(kDeny);
  return filter.program();
}

}  // namespace runsc::stub
