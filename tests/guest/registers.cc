// Register, floating-point and vector state across system calls, signals, threads and forks.

#include <fcntl.h>
#include <fenv.h>
#include <immintrin.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <iterator>
#include <utility>
#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

// Loads all xmm registers with a pattern, makes a system call, compares: inline assembly, so that the
// compiler cannot keep anything elsewhere.
bool VectorsSurvive(long number, long a, long b, long c) {
  alignas(16) uint64_t before[32], after[32];
  for (int i = 0; i < 32; i++) before[i] = 0x0101010101010101ull * (i + 1);
  long result = number;
  __asm__ volatile(
      "movdqu 0(%[in]), %%xmm0; movdqu 16(%[in]), %%xmm1; movdqu 32(%[in]), %%xmm2;"
      "movdqu 48(%[in]), %%xmm3; movdqu 64(%[in]), %%xmm4; movdqu 80(%[in]), %%xmm5;"
      "movdqu 96(%[in]), %%xmm6; movdqu 112(%[in]), %%xmm7; movdqu 128(%[in]), %%xmm8;"
      "movdqu 144(%[in]), %%xmm9; movdqu 160(%[in]), %%xmm10; movdqu 176(%[in]), %%xmm11;"
      "movdqu 192(%[in]), %%xmm12; movdqu 208(%[in]), %%xmm13; movdqu 224(%[in]), %%xmm14;"
      "movdqu 240(%[in]), %%xmm15; syscall;"
      "movdqu %%xmm0, 0(%[out]); movdqu %%xmm1, 16(%[out]); movdqu %%xmm2, 32(%[out]);"
      "movdqu %%xmm3, 48(%[out]); movdqu %%xmm4, 64(%[out]); movdqu %%xmm5, 80(%[out]);"
      "movdqu %%xmm6, 96(%[out]); movdqu %%xmm7, 112(%[out]); movdqu %%xmm8, 128(%[out]);"
      "movdqu %%xmm9, 144(%[out]); movdqu %%xmm10, 160(%[out]); movdqu %%xmm11, 176(%[out]);"
      "movdqu %%xmm12, 192(%[out]); movdqu %%xmm13, 208(%[out]); movdqu %%xmm14, 224(%[out]);"
      "movdqu %%xmm15, 240(%[out])"
      : "+a"(result)
      : [in] "r"(before), [out] "r"(after), "D"(a), "S"(b), "d"(c)
      : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  return memcmp(before, after, sizeof(before)) == 0;
}

// Makes a call with these flags set; the flags it comes back with. Site and next instruction are of the form that an
// engine may rewrite.
uint64_t FlagsAfter(long number, long arg, uint64_t flags) {
  uint64_t after;
  long result = number;
  __asm__ volatile(
      "lea -128(%%rsp), %%rsp; push %[flags]; popfq; syscall; mov %%rax, %%rsi; pushfq; pop %[after]; cld;"
      "lea 128(%%rsp), %%rsp"
      : "+a"(result), [after] "=&r"(after)
      : [flags] "r"(flags), "D"(arg)
      : "rcx", "r11", "rsi", "memory", "cc");
  return after;
}

std::atomic<int> ticks;

void ClobberEverything(int) {
  ++ticks;
  __asm__ volatile("pxor %%xmm0,%%xmm0; pxor %%xmm1,%%xmm1; pxor %%xmm7,%%xmm7; pxor %%xmm15,%%xmm15; fninit" ::
                       : "xmm0", "xmm1", "xmm7", "xmm15");
  volatile double x = 0;
  for (int i = 1; i < 20; i++) x = x + std::sqrt(i);
}

void StartTicking(int microseconds) {
  struct sigaction action = {};
  action.sa_handler = ClobberEverything;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  itimerval timer = {.it_interval = {0, microseconds}, .it_value = {0, microseconds}};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

void StopTicking() {
  itimerval timer = {};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

__attribute__((noipa)) double Series(int terms) {
  double sum = 0;
  for (int i = 1; i <= terms; i++) sum += std::sin(i) / i;
  return sum;
}

}  // namespace

TEST(FlagsSurviveCalls) {
  constexpr uint64_t kBits[] = {0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800}, kAll = 0xcd5, kFixed = 0x202;
  for (const auto& [number, arg] : {std::pair<long, long>{SYS_getpid, 0}, {SYS_close, -1}}) {
    for (int set = 0; set < 1 << std::size(kBits); set++) {
      uint64_t flags = 0;
      for (size_t i = 0; i < std::size(kBits); i++) flags |= set >> i & 1 ? kBits[i] : 0;
      EXPECT_EQ(FlagsAfter(number, arg, flags | kFixed) & kAll, flags);
    }
  }
}

TEST(VectorsAcrossSystemCalls) {
  const int null = open("/dev/null", O_WRONLY);
  char byte = 0;
  for (int i = 0; i < 200; i++) {
    EXPECT(VectorsSurvive(SYS_getpid, 0, 0, 0));
    EXPECT(VectorsSurvive(SYS_write, null, (long)&byte, 1));
    EXPECT(VectorsSurvive(SYS_gettid, 0, 0, 0));
    EXPECT(VectorsSurvive(5000, 0, 0, 0));
  }
  timespec moment = {0, 1000};
  EXPECT(VectorsSurvive(SYS_nanosleep, (long)&moment, 0, 0));
}

TEST(VectorsAcrossHandlers) {
  StartTicking(500);
  bool right = true;
  const int null = open("/dev/null", O_WRONLY);
  char byte = 0;
  for (const double end = NowSeconds() + 5; ticks < 200 && NowSeconds() < end;) {
    for (int i = 0; i < 50; i++) right &= VectorsSurvive(i % 2 ? SYS_getppid : SYS_write, null, (long)&byte, 1);
  }
  StopTicking();
  EXPECT(right);
  EXPECT(ticks >= 200);
}

TEST(ComputationUnderSignals) {
  const double quiet = Series(200000);
  StartTicking(300);
  for (int i = 0; i < 20; i++) {
    if (Series(200000) != quiet) EXPECT(false);
  }
  StopTicking();
  EXPECT(ticks > 0);
}

TEST(WideVectorsAcrossHandlers) {
  if (!__builtin_cpu_supports("avx")) Skip("no AVX");
  StartTicking(500);
  bool right = true;
  for (const double end = NowSeconds() + 5; ticks < 100 && NowSeconds() < end;) {
    uint64_t out[4];
    uint64_t in[4] = {1, 2, 3, 0x1234567890abcdef};
    __asm__ volatile(
        "vmovdqu (%0), %%ymm5; mov $20000, %%ecx; 1: dec %%ecx; jnz 1b; vmovdqu %%ymm5, (%1); vzeroupper" ::"r"(in),
        "r"(out)
        : "ecx", "memory", "xmm5");
    right &= memcmp(in, out, sizeof(in)) == 0;
  }
  StopTicking();
  EXPECT(right);
  EXPECT(ticks >= 100);
}

TEST(X87StateAcrossHandlers) {
  StartTicking(300);
  bool right = true;
  for (const double end = NowSeconds() + 5; ticks < 100 && NowSeconds() < end;) {
    long double x = 1.25L, y;
    __asm__ volatile("fldt %1; fldpi; mov $20000, %%ecx; 1: dec %%ecx; jnz 1b; fstp %%st(0); fstpt %0"
                     : "=m"(y)
                     : "m"(x)
                     : "ecx", "st", "st(1)");
    right &= x == y;
  }
  StopTicking();
  EXPECT(right);
}

TEST(RoundingModeIsPerThreadAndKept) {
  fesetround(FE_UPWARD);
  for (int i = 0; i < 100; i++) syscall(i % 2 ? SYS_getppid : 5000);
  EXPECT_EQ(fegetround(), FE_UPWARD);
  EXPECT_EQ(RunInChild([] { return fegetround() == FE_UPWARD ? 0 : 1; }), 0);
  struct sigaction action = {};
  static int in_handler;
  action.sa_handler = [](int) { in_handler = fegetround(); };
  sigaction(SIGUSR1, &action, nullptr);
  raise(SIGUSR1);
  EXPECT_EQ(in_handler, FE_TONEAREST);  // handlers start with the default environment
  EXPECT_EQ(fegetround(), FE_UPWARD);
}

TEST(ThreadsComputeApart) {
  static const double want = Series(300000);
  static std::atomic<int> wrong;
  std::vector<pthread_t> threads(6);
  for (pthread_t& thread : threads) {
    pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
          for (int i = 0; i < 5; i++) {
            if (Series(300000) != want) ++wrong;
            sched_yield();
          }
          return nullptr;
        },
        nullptr);
  }
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  EXPECT_EQ(wrong.load(), 0);
}

TEST(CallPreservesRegisters) {
  bool right = true;
  for (int i = 0; i < 1000; i++) {
    long rax = i % 2 ? SYS_getuid : 5000, rdi = 11, rsi = 22, rdx = 33, rbx, r12, r15;
    register long r8 __asm__("r8") = 44;
    register long r9 __asm__("r9") = 55;
    register long r10 __asm__("r10") = 66;
    __asm__ volatile(
        "mov $0x77, %%ebx; mov $0x88, %%r12d; mov $0x99, %%r15d; syscall;"
        "mov %%rbx, %[b]; mov %%r12, %[c]; mov %%r15, %[d]"
        : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r8), "+r"(r9),
          "+r"(r10), [b] "=m"(rbx), [c] "=m"(r12), [d] "=m"(r15)
        :
        : "rbx", "r12", "r15", "rcx", "r11", "memory");
    right &= rdi == 11 && rsi == 22 && rdx == 33 && r8 == 44 && r9 == 55 && r10 == 66 && rbx == 0x77 && r12 == 0x88 &&
             r15 == 0x99;
  }
  EXPECT(right);
}

TEST(RedZoneSurvives) {
  long bad = 0;
  for (int i = 0; i < 500; i++) {
    long result = i % 2 ? SYS_getpid : 5000;
    __asm__ volatile(
        "movq $0x5151, -8(%%rsp); movq $0x6262, -128(%%rsp); syscall;"
        "cmpq $0x5151, -8(%%rsp); jne 1f; cmpq $0x6262, -128(%%rsp); je 2f; 1: incq %1; 2:"
        : "+a"(result), "+r"(bad)
        :
        : "rcx", "r11", "memory", "cc");
  }
  EXPECT_EQ(bad, 0L);
}

TEST(FlagsSurvive) {
  uint64_t flags = 0;
  for (int i = 0; i < 100; i++) {
    long result = SYS_getpid;
    __asm__ volatile("std; stc; syscall; pushfq; pop %1; cld"
                     : "+a"(result), "=r"(flags)
                     :
                     : "rcx", "r11", "memory", "cc");
    if ((flags & 0x401) != 0x401) EXPECT(false);
  }
}

TEST(FsBaseIsPerThread) {
  uint64_t base = 0;
  EXPECT_EQ(syscall(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, &base), 0L);
  EXPECT_EQ(base, *(uint64_t*)base);  // glibc keeps the pointer to itself there
  EXPECT_ERRNO(syscall(SYS_arch_prctl, 0x1002 /* ARCH_SET_FS */, 1ull << 63), EPERM);
  EXPECT_ERRNO(syscall(SYS_arch_prctl, 0x9999, 0), EINVAL);
}

TEST(GsBase) {
  static uint64_t cell[2] = {0x1111, 0x2222};
  EXPECT_EQ(syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, cell), 0L);
  uint64_t value = 0;
  bool right = true;
  for (int i = 0; i < 100; i++) {
    syscall(i % 2 ? SYS_getppid : 5000);
    __asm__ volatile("mov %%gs:8, %0" : "=r"(value));
    right &= value == 0x2222;
  }
  EXPECT(right);
  uint64_t base = 0;
  EXPECT_EQ(syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &base), 0L);
  EXPECT_EQ(base, (uint64_t)cell);
}
