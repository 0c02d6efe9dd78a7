// Forged signal frames: whatever a handler leaves for rt_sigreturn, at most its own process dies.

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include <functional>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

void (*forge)(ucontext_t*);

// Runs a handler that changes its frame by `change`, in a child; its exit status or 1000 + signal.
int AfterForging(void (*change)(ucontext_t*)) {
  const int status = RunInChild([=] {
    const rlimit second{1, 1};  // a frame that leads back to itself is returned from for ever, on Linux too
    setrlimit(RLIMIT_CPU, &second);
    forge = change;
    struct sigaction action = {};
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = [](int, siginfo_t*, void* context) { forge((ucontext_t*)context); };
    sigaction(SIGUSR1, &action, nullptr);
    for (int i = 0; i < 3; i++) syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
    return syscall(SYS_getppid) > 0 ? 0 : 4;
  });
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

#define REGISTER(context, name) ((context)->uc_mcontext.gregs[REG_##name])

constexpr int kSegv = 1000 + SIGSEGV;

}  // namespace

TEST(UntouchedFrame) {
  EXPECT_EQ(AfterForging([](ucontext_t*) {}), 0);
}

TEST(InstructionPointer) {
  EXPECT_EQ(AfterForging([](ucontext_t* c) { REGISTER(c, RIP) = 0; }), kSegv);
  EXPECT_EQ(AfterForging([](ucontext_t* c) { REGISTER(c, RIP) = 1ll << 47; }), kSegv);
  EXPECT_EQ(AfterForging([](ucontext_t* c) { REGISTER(c, RIP) = (long long)0x8000000000000000ull; }), kSegv);
  EXPECT_EQ(AfterForging([](ucontext_t* c) { REGISTER(c, RIP) = (long long)0xffffffff81000000ull; }), kSegv);
  EXPECT_EQ(AfterForging([](ucontext_t* c) { REGISTER(c, RIP) = 0x7fffffffffff; }), kSegv);
}

TEST(StackPointer) {
  EXPECT_EQ(AfterForging([](ucontext_t* c) { REGISTER(c, RSP) = 0; }), kSegv);
  EXPECT(AfterForging([](ucontext_t* c) { REGISTER(c, RSP) = 1ll << 47; }) > 1000);
  EXPECT(AfterForging([](ucontext_t* c) { REGISTER(c, RSP) = (long long)0xffffffff81000000ull; }) > 1000);
}

TEST(Segments) {
  for (int code : {0x10, 0x08, 0x1b, 0xffff, 0x00, 0x2b}) {
    static int selector;
    selector = code;
    const int outcome =
        AfterForging([](ucontext_t* c) { REGISTER(c, CSGSFS) = (REGISTER(c, CSGSFS) & ~0xffffll) | selector; });
    EXPECT(outcome == 0 || outcome > 1000);  // ignored or fatal, never a kernel selector in force
  }
  EXPECT(AfterForging([](ucontext_t* c) { REGISTER(c, CSGSFS) |= 0xffffll << 48; }) >= 0);
}

TEST(Flags) {
  for (int bit = 0; bit < 32; bit++) {
    static long long flag;
    flag = 1ll << bit;
    const int outcome = AfterForging([](ucontext_t* c) { REGISTER(c, EFL) |= flag; });
    EXPECT(outcome == 0 || outcome == 1000 + SIGTRAP || outcome == 1000 + SIGBUS);
  }
  EXPECT_EQ(AfterForging([](ucontext_t* c) { REGISTER(c, EFL) |= 3 << 12; }), 0);
}

TEST(FloatingPointPointer) {
  EXPECT_EQ(AfterForging([](ucontext_t* c) { c->uc_mcontext.fpregs = nullptr; }), 0);
  EXPECT(AfterForging([](ucontext_t* c) { c->uc_mcontext.fpregs = (fpregset_t)8; }) > 1000);
  EXPECT(AfterForging([](ucontext_t* c) { c->uc_mcontext.fpregs = (fpregset_t)(1ull << 63); }) > 1000);
  EXPECT(AfterForging([](ucontext_t* c) { c->uc_mcontext.fpregs = (fpregset_t)0x7ffffffff000; }) > 1000);
}

TEST(FloatingPointContents) {
  const auto fp = [](ucontext_t* c) { return (uint8_t*)c->uc_mcontext.fpregs; };
  (void)fp;
  // All bits set: MXCSR has reserved ones, the extended header too.
  const int ones = AfterForging([](ucontext_t* c) { memset(c->uc_mcontext.fpregs, 0xff, 512); });
  EXPECT(ones == 0 || ones > 1000);
  EXPECT_EQ(AfterForging([](ucontext_t* c) { memset(c->uc_mcontext.fpregs, 0, 512); }), 0);
  const int header = AfterForging([](ucontext_t* c) { memset((char*)c->uc_mcontext.fpregs + 512, 0xff, 64); });
  EXPECT(header == 0 || header > 1000);
  const int size = AfterForging([](ucontext_t* c) {
    *(uint32_t*)((char*)c->uc_mcontext.fpregs + 464 + 4) = 0xffffffff;  // extended_size
  });
  EXPECT(size == 0 || size > 1000);
  const int features = AfterForging([](ucontext_t* c) {
    *(uint64_t*)((char*)c->uc_mcontext.fpregs + 464 + 8) = ~0ull;  // xfeatures
  });
  EXPECT(features == 0 || features > 1000);
}

TEST(MaskWithKillBlocked) {
  EXPECT_EQ(AfterForging([](ucontext_t* c) { memset(&c->uc_sigmask, 0xff, 8); }), 0);
  const int status = RunInChild([] {
    forge = [](ucontext_t* c) { memset(&c->uc_sigmask, 0xff, 8); };
    struct sigaction action = {};
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = [](int, siginfo_t*, void* context) { forge((ucontext_t*)context); };
    sigaction(SIGUSR1, &action, nullptr);
    raise(SIGUSR1);
    return raise(SIGKILL);
  });
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

TEST(SigreturnWithoutAFrame) {
  const int outcome = RunInChild([] {
    static char stack[16384];
    memset(stack, 0xff, sizeof(stack));
    __asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall; hlt" ::"r"(stack + 8192));
    return 3;
  });
  EXPECT(WIFSIGNALED(outcome));
  for (uint64_t stack : {0ul, 8ul, 1ul << 63, 0x7ffffffff000ul, ~0ul - 7}) {
    const int status = RunInChild([=] {
      __asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall; hlt" ::"r"(stack));
      return 3;
    });
    EXPECT(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGSEGV);
  }
}

TEST(HandlerAtABadAddress) {
  for (uint64_t handler : {8ul, 1ul << 47, 1ul << 63, 0x7fffffffffffUL}) {
    const int status = RunInChild([=] {
      signal(SIGUSR1, (void (*)(int))handler);
      raise(SIGUSR1);
      return 3;
    });
    EXPECT(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGSEGV);
  }
}

TEST(FrameOnABadStack) {
  for (uint64_t where : {0x1000ul, 0x7ffffffff000ul, 1ul << 63}) {
    const int status = RunInChild([=] {
      stack_t stack = {.ss_sp = (void*)where, .ss_flags = 0, .ss_size = 1 << 16};
      if (sigaltstack(&stack, nullptr) != 0) return 3;
      struct sigaction action = {};
      action.sa_handler = [](int) {};
      action.sa_flags = SA_ONSTACK;
      sigaction(SIGUSR1, &action, nullptr);
      raise(SIGUSR1);
      return 4;
    });
    EXPECT(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) == 3);
  }
}

TEST(NestedFaultInAHandler) {
  const int status = RunInChild([] {
    signal(SIGSEGV, [](int) { *(volatile int*)8 = 1; });
    *(volatile int*)8 = 1;
    return 3;
  });
  EXPECT_EQ(WTERMSIG(status), SIGSEGV);
}

TEST(RandomFrames) {
  for (int seed = 1; seed < 200; seed++) {
    static uint32_t state;
    state = seed * 2654435761u;
    const int outcome = AfterForging([](ucontext_t* c) {
      for (int i = 0; i < 20; i++) {
        state = state * 1664525 + 1013904223;
        ((uint8_t*)c)[(state >> 8) % (sizeof(ucontext_t))] = state >> 24;
      }
    });
    EXPECT(outcome >= 0);
  }
  EXPECT_EQ(RunInChild([] { return 5; }), 5 << 8);
}
