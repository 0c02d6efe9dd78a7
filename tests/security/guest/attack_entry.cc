// Every way into a kernel that guest code can try: none may reach the host's, none may hurt ours.

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

// Memory below 4 GiB, for code and data of 32-bit entries.
unsigned char* LowPage() {
  void* page = mmap((void*)0x30000000, 65536, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  ASSERT(page == (void*)0x30000000);
  return static_cast<unsigned char*>(page);
}

long Int80(long number, long b = 0, long c = 0, long d = 0) {
  long result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(number), "b"(b), "c"(c), "d"(d)
                   : "memory", "r8", "r9", "r10", "r11");
  return result;
}

// A system call with the stack pointer at `stack`.
long CallOnStack(uint64_t stack, long number) {
  long result = number;
  __asm__ volatile("mov %%rsp, %%r12; mov %1, %%rsp; syscall; mov %%r12, %%rsp"
                   : "+a"(result)
                   : "r"(stack)
                   : "r12", "rcx", "r11", "memory");
  return result;
}

uint64_t Flags() {
  uint64_t flags;
  __asm__ volatile("pushfq; pop %0" : "=r"(flags));
  return flags;
}

// How the child ended: its exit status, or 1000 + the signal.
int Outcome(int status) { return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status); }

}  // namespace

TEST(Int80DoesNotReachTheHost) {
  const int outcome = Outcome(RunInChild([] {
    const int result = (int)Int80(20 /* getpid in the 32-bit table, writev in the 64-bit one */);
    return result == getpid() ? 50 : result == -ENOSYS ? 51 : 52;
  }));
  if (InSandbox()) {
    EXPECT(outcome == 51 || outcome == 1000 + SIGSEGV);
  } else {
    EXPECT(outcome == 50 || outcome == 51 || outcome == 1000 + SIGSEGV);
  }
}

TEST(Int80HasNoEffect) {
  if (!InSandbox()) Skip("a 32-bit call works natively");
  unsigned char* page = LowPage();
  int fds[2];
  ASSERT_OK(pipe2(fds, O_NONBLOCK));
  RunInChild([&] {
    Int80(4 /* write */, fds[1], (long)page, 100);
    Int80(1 /* exit */, 9);
    return 3;
  });
  char buffer[200];
  EXPECT_ERRNO(read(fds[0], buffer, sizeof(buffer)), EAGAIN);
  for (int number = 0; number < 460; number++) RunInChild([=] { return (int)Int80(number, 0, 0, 0) & 0; });
  EXPECT(getpid() > 0);
}

TEST(SysenterDoesNotReachTheHost) {
  const int outcome = Outcome(RunInChild([] {
    __asm__ volatile("mov %%rsp, %%rbp; mov $1, %%eax; mov $77, %%ebx; sysenter" ::: "eax", "ebx", "memory");
    return 3;
  }));
  EXPECT(outcome > 1000);
}

TEST(CompatibilityModeDoesNotReachTheHost) {
  for (const std::vector<unsigned char>& entry : {std::vector<unsigned char>{0xcd, 0x80}, {0x0f, 0x05}, {0x0f, 0x34}}) {
    const int outcome = Outcome(RunInChild([&] {
      unsigned char* page = LowPage();
      const unsigned char exit_with_77[] = {0xb8, 1, 0, 0, 0, 0xbb, 77, 0, 0, 0};
      memcpy(page, exit_with_77, sizeof(exit_with_77));
      memcpy(page + sizeof(exit_with_77), entry.data(), entry.size());
      page[sizeof(exit_with_77) + entry.size()] = 0xf4;  // hlt: a fault when the call returns
      __asm__ volatile("mov %0, %%rsp; pushq $0x23; pushq $0x30000000; lretq" ::"r"(page + 60000));
      return 3;
    }));
    if (InSandbox()) EXPECT(outcome > 1000);
  }
}

TEST(X32NumbersAreUnknown) {
  for (long number : {0L, 1L, 39L, 59L, 60L, 231L, 512L, 520L, 547L}) {
    EXPECT_ERRNO(syscall(0x40000000 | number, 1, 2, 3), ENOSYS);
  }
}

TEST(NumbersOutOfRange) {
  for (long number = 600; number < 1100; number++) EXPECT_ERRNO(syscall(number, 0, 0, 0), ENOSYS);
  for (int bit = 10; bit < 32; bit++) EXPECT_ERRNO(syscall((1L << bit) | 600, 0, 0, 0), ENOSYS);
  for (long number : {-1L, -2L, (long)INT32_MIN, 0x7fffffffL}) EXPECT_ERRNO(syscall(number, 0, 0, 0), ENOSYS);
}

TEST(OnlyTheLow32BitsCount) {
  // Linux looks at the low half of rax only.
  for (int bit = 32; bit < 64; bit++) EXPECT_EQ(syscall((1L << bit) | SYS_getpid), (long)getpid());
}

TEST(EveryNumberWithBadArguments) {
  if (!InSandbox()) Skip("some of these would hurt the machine");
  const long sets[][6] = {{0, 0, 0, 0, 0, 0},
                          {-1, -1, -1, -1, -1, -1},
                          {8, 8, 8, 8, 8, 8},
                          {0x7fffffffffff, 0x7fffffffffff, 0x7fffffffffff, 1, 1, 1},
                          {0, 1L << 62, 1L << 62, 1L << 62, 0, 0}};
  for (long number = 0; number < 470; number++) {
    // These would only wait for ever, or end the child in a way that says nothing.
    if (number == SYS_pause || number == SYS_rt_sigsuspend || number == SYS_kill) continue;
    for (const auto& a : sets) {
      const pid_t child = fork();
      ASSERT(child >= 0);
      if (child == 0) {
        setpgid(0, 0);
        alarm(1);
        syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        _exit(0);
      }
      WaitStatus(child);
    }
  }
  EXPECT_EQ(RunInChild([] { return 5; }), 5 << 8);
}

TEST(VsyscallPage) {
  const int outcome = Outcome(RunInChild([] {
    timespec now;
    long seconds = 0;
    clock_gettime(CLOCK_REALTIME, &now);
    seconds = ((long (*)(long*))0xffffffffff600400)(nullptr);
    return labs(seconds - now.tv_sec) <= 2 ? 0 : 1;
  }));
  EXPECT(outcome == 0 || outcome == 1000 + SIGSEGV);
  const int other = Outcome(RunInChild([] { return ((int (*)())0xffffffffff600123)() & 0; }));
  EXPECT_EQ(other, 1000 + SIGSEGV);
}

TEST(AnyStackPointer) {
  const long pid = getpid();
  char* read_only = (char*)mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (uint64_t stack : {0ul, 8ul, 0x7ffffffff000ul, (uint64_t)read_only + 2048}) {
    for (int i = 0; i < 50; i++) {
      if (CallOnStack(stack, SYS_getpid) != pid) EXPECT(false);
      if (CallOnStack(stack, 7000) != -ENOSYS) EXPECT(false);
      if (CallOnStack(stack, SYS_sched_yield) != 0) EXPECT(false);
    }
  }
}

TEST(SigsysBelongsToTheGuest) {
  static volatile int seen;
  struct sigaction action = {};
  action.sa_handler = [](int signal) { seen = signal; };
  EXPECT_OK(sigaction(SIGSYS, &action, nullptr));
  raise(SIGSYS);
  EXPECT_EQ((int)seen, SIGSYS);
  EXPECT_EQ(Outcome(RunInChild([] {
              signal(SIGSYS, SIG_DFL);
              return raise(SIGSYS);
            })),
            1000 + SIGSYS);
}

TEST(BlockingEverythingBlocksNoCalls) {
  // The engine may use host signals of its own: the guest's mask and dispositions must not reach them.
  sigset_t all;
  sigfillset(&all);
  for (int signal = 1; signal < 65; signal++) ::signal(signal, SIG_IGN);
  EXPECT_EQ(sigprocmask(SIG_SETMASK, &all, nullptr), 0);
  unsigned char* page = LowPage();
  const unsigned char getppid_code[] = {0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0xc3};
  for (int i = 0; i < 100; i++) {
    memcpy(page + i * 64, getppid_code, sizeof(getppid_code));  // each a fresh call site
    if (((long (*)())(page + i * 64))() != getppid()) EXPECT(false);
  }
  sleep(0);
}

TEST(KillReachesABusyMaskedProcess) {
  const pid_t child = fork();
  if (child == 0) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    for (;;) {
    }
  }
  SleepMs(30);
  EXPECT_OK(kill(child, SIGKILL));
  EXPECT_EQ(WTERMSIG(WaitStatus(child)), SIGKILL);
}

TEST(TrapFlag) {
  EXPECT_EQ(Outcome(RunInChild([] {
              __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; nop" ::: "memory", "cc");
              return 3;
            })),
            1000 + SIGTRAP);
  EXPECT(
      Outcome(RunInChild([] {
        long result = SYS_getpid;
        __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; syscall" : "+a"(result) : : "rcx", "r11", "memory", "cc");
        return 3;
      })) == 1000 + SIGTRAP);
}

TEST(OddFlagsAcrossCalls) {
  for (uint64_t bit : {1ul << 14 /* NT */, 1ul << 18 /* AC */, 1ul << 10 /* DF */}) {
    long a = SYS_getpid, b = 7000;
    __asm__ volatile(
        "pushfq; orq %2, (%%rsp); popfq; syscall; xchg %%rax, %1; syscall; xchg %%rax, %1;"
        "pushfq; andq %3, (%%rsp); popfq; cld"
        : "+a"(a), "+r"(b)
        : "r"(bit), "r"(~bit)
        : "rcx", "r11", "memory", "cc");
    EXPECT_EQ(a, (long)getpid());
    EXPECT_EQ(b, (long)-ENOSYS);
  }
  EXPECT_EQ(Flags() & (3 << 12), 0u);  // no I/O privilege
}

TEST(PrivilegedInstructions) {
  struct {
    const char* name;
    std::vector<unsigned char> code;
  } cases[] = {{"hlt", {0xf4}},
               {"cli", {0xfa}},
               {"in", {0xe4, 0x60}},
               {"out", {0xe6, 0x80}},
               {"rdmsr", {0x0f, 0x32}},
               {"wrmsr", {0x0f, 0x30}},
               {"mov cr0", {0x0f, 0x20, 0xc0}},
               {"lgdt", {0x0f, 0x01, 0x10}},
               {"swapgs", {0x0f, 0x01, 0xf8}},
               {"invd", {0x0f, 0x08}},
               {"iretq kernel", {0x6a, 0x00, 0x6a, 0x00, 0x6a, 0x02, 0x6a, 0x10, 0x6a, 0x00, 0x48, 0xcf}},
               {"sysret", {0x48, 0x0f, 0x07}},
               {"ud2", {0x0f, 0x0b}},
               {"int 0x81", {0xcd, 0x81}},
               {"int 8", {0xcd, 0x08}}};
  for (const auto& one : cases) {
    const int outcome = Outcome(RunInChild([&] {
      unsigned char* page = LowPage();
      memcpy(page, one.code.data(), one.code.size());
      page[one.code.size()] = 0xc3;
      ((void (*)())page)();
      return 3;
    }));
    if (outcome <= 1000) Fail(__FILE__, __LINE__, std::string(one.name) + " ended with " + std::to_string(outcome));
  }
}

TEST(SegmentBases) {
  uint64_t old = 0;
  EXPECT_EQ(syscall(SYS_arch_prctl, 0x1003, &old), 0L);
  // Any base the guest may set must leave its own calls working.
  for (uint64_t base : {0ul, 8ul, 0x1000ul, 0x7ffffffff000ul - 0x1000}) {
    EXPECT_EQ(syscall(SYS_arch_prctl, 0x1001 /* SET_GS */, base), 0L);
    for (int i = 0; i < 20; i++) {
      if (syscall(i % 2 ? 7000 : SYS_getppid) < -1) EXPECT(false);
    }
  }
  EXPECT_ERRNO(syscall(SYS_arch_prctl, 0x1001, 1ull << 47), EPERM);
  EXPECT_ERRNO(syscall(SYS_arch_prctl, 0x1001, ~0ull), EPERM);
  EXPECT_ERRNO(syscall(SYS_arch_prctl, 0x1003, 8), EFAULT);
}

TEST(WritingGsBaseDirectly) {
  const int outcome = Outcome(RunInChild([] {
    const long ppid = getppid();
    for (uint64_t base : {0ul, 0x1234ul, 0x7e0000000000ul, 0x7fffffff0000ul}) {
      __asm__ volatile("wrgsbase %0" ::"r"(base));
      for (int i = 0; i < 20; i++) {
        if (syscall(SYS_getppid) != ppid || syscall(7000) != -1) return 1;
      }
      uint64_t now;
      __asm__ volatile("rdgsbase %0" : "=r"(now));
      if (now != base) return 2;
    }
    return 0;
  }));
  if (outcome == 1000 + SIGILL) Skip("no fsgsbase");
  EXPECT_EQ(outcome, 0);
}

TEST(LocalDescriptors) {
  // A guest may get descriptors or not; a call gate or a system segment it may not.
  unsigned description[4] = {0, 0x1000, 0xfffff, 0x41};
  const long result = syscall(SYS_modify_ldt, 1, description, sizeof(description));
  EXPECT(result == 0 || errno == ENOSYS || errno == EPERM || errno == EINVAL);
  EXPECT(syscall(SYS_iopl, 3) == -1 || !InSandbox());
  EXPECT(syscall(SYS_ioperm, 0x60, 1, 1) == -1 || !InSandbox());
}

TEST(KernelInterfacesThatMustNotExist) {
  if (!InSandbox()) Skip("the machine's kernel may serve these");
  for (long number :
       {(long)SYS_bpf, (long)SYS_perf_event_open, 425L /* io_uring_setup */, (long)SYS_userfaultfd,
        (long)SYS_kexec_load, (long)SYS_init_module, (long)SYS_open_by_handle_at, (long)SYS_lookup_dcookie}) {
    const long result = syscall(number, 0, 0, 0, 0, 0);
    EXPECT(result == -1 && (errno == ENOSYS || errno == EPERM || errno == EINVAL || errno == EFAULT || errno == EBADF));
  }
}
