// Signal handlers as the guest sees them: the frame, what returning from it takes back, and hostile frames.
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "sentry/kernel/container_control.h"
#include "sentry/kernel/signal_frame.h"
#include "syscalls/testing/guest_fixture.h"

namespace runsc {
namespace {

constexpr uint64_t kSaRestorer = 0x04000000;
constexpr GuestAddr kHandler = 0x123456, kRestorer = 0x654321;
constexpr uint64_t kRedZone = 128;
constexpr size_t kFpOffset = 512;

constexpr uint64_t Bit(int signo) { return uint64_t{1} << (signo - 1); }

// The kernel's struct rt_sigframe.
struct Frame {
  uint64_t return_address;
  uint64_t flags, link;
  stack_t stack;
  uint64_t gregs[23];
  uint64_t fpstate;
  uint64_t reserved[8];
  uint64_t mask;
  siginfo_t info;
};

class SignalsTest : public GuestTest {
 protected:
  static constexpr GuestAddr kStackTop = kMemory + 0x80000;  // of the tests' own stack

  void SetUp() override {
    GuestTest::SetUp();
    Registers regs = guest_->regs();
    regs.rsp = kStackTop;
    regs.rbx = 0xb0b;
    regs.r12 = 0x1212;
    regs.eflags |= 0x400;  // DF
    guest_->set_regs(regs);
  }

  void Install(int signo, uint64_t flags = 0, uint64_t mask = 0) {
    Put(kBuffer, KernelSigaction{kHandler, flags | kSaRestorer, kRestorer, mask});
    ASSERT_EQ(Call(SYS_rt_sigaction, signo, kBuffer, 0, 8), 0);
  }
  // Signals itself; the registers at the handler's first instruction.
  Registers Raise(int signo = SIGUSR1) {
    Call(SYS_kill, 1, signo);
    return guest_->regs();
  }
  Frame FrameOf(const Registers& regs) { return Get<Frame>(regs.rsp); }
  // What the restorer does once the handler has returned.
  std::optional<int64_t> Return(GuestAddr frame) {
    Registers regs = guest_->regs();
    regs.rsp = frame + 8;
    guest_->set_regs(regs);
    return guest_->Call(SYS_rt_sigreturn, {});
  }
  uint64_t Mask() {
    EXPECT_EQ(Call(SYS_rt_sigprocmask, SIG_BLOCK, 0, kBuffer, 8), 0);
    return Get<uint64_t>(kBuffer);
  }
  // The whole container ended by `signo`.
  void ExpectKilledBy(int signo) {
    EXPECT_EQ(guest_->Await(), std::nullopt);
    EXPECT_EQ(kernel_->WaitForInit() & 0x7f, signo);
  }
};

TEST_F(SignalsTest, EntersTheHandlerAndReturns) {
  Install(SIGUSR1, SA_SIGINFO);
  const Registers before = guest_->regs();
  const Registers in_handler = Raise();
  EXPECT_EQ(in_handler.rip, kHandler);
  EXPECT_EQ(in_handler.rdi, static_cast<uint64_t>(SIGUSR1));
  EXPECT_EQ(in_handler.rax, 0u);
  EXPECT_EQ(in_handler.rsp % 16, 8u);
  EXPECT_LT(in_handler.rsp, kStackTop - kRedZone);
  EXPECT_EQ(in_handler.eflags & 0x400, 0u);
  EXPECT_EQ(in_handler.rsi, in_handler.rsp + offsetof(Frame, info));
  EXPECT_EQ(in_handler.rdx, in_handler.rsp + offsetof(Frame, flags));

  const Frame frame = FrameOf(in_handler);
  EXPECT_EQ(frame.return_address, kRestorer);
  EXPECT_EQ(frame.info.si_signo, SIGUSR1);
  EXPECT_EQ(frame.info.si_pid, 1);
  EXPECT_EQ(frame.gregs[REG_RSP], kStackTop);
  EXPECT_EQ(frame.gregs[REG_RBX], 0xb0bu);
  EXPECT_EQ(frame.gregs[REG_RAX], 0u);  // kill's result
  EXPECT_EQ(frame.gregs[REG_RIP], before.rip + 2);
  EXPECT_EQ(frame.mask, 0u);
  EXPECT_EQ(Mask(), Bit(SIGUSR1));

  EXPECT_EQ(Return(in_handler.rsp), 0);
  const Registers after = guest_->regs();
  EXPECT_EQ(after.rip, before.rip + 2);
  EXPECT_EQ(after.rsp, before.rsp);
  EXPECT_EQ(after.rbx, before.rbx);
  EXPECT_EQ(after.r12, before.r12);
  EXPECT_EQ(after.eflags & 0x400, 0x400u);
  EXPECT_EQ(Mask(), 0u);
}

TEST_F(SignalsTest, MasksAsTheActionSays) {
  Install(SIGUSR1, SA_NODEFER, Bit(SIGUSR2) | Bit(SIGKILL));
  Raise();
  EXPECT_EQ(Mask(), Bit(SIGUSR2));
}

TEST_F(SignalsTest, ResetsTheActionOnce) {
  Install(SIGUSR1, static_cast<uint32_t>(SA_RESETHAND));
  EXPECT_EQ(Raise().rip, kHandler);
  EXPECT_EQ(Call(SYS_rt_sigaction, SIGUSR1, 0, kBuffer, 8), 0);
  EXPECT_EQ(Get<KernelSigaction>(kBuffer).handler, 0u);
}

TEST_F(SignalsTest, FaultsTellWhere) {
  Install(SIGSEGV, SA_SIGINFO);
  guest_->Fault({SIGSEGV, SEGV_ACCERR, 0xdead000, 14, 7});
  const Frame frame = FrameOf(guest_->regs());
  EXPECT_EQ(frame.info.si_code, SEGV_ACCERR);
  EXPECT_EQ(frame.info.si_addr, reinterpret_cast<void*>(0xdead000));
  EXPECT_EQ(frame.gregs[REG_CR2], 0xdead000u);
  EXPECT_EQ(frame.gregs[REG_TRAPNO], 14u);
  EXPECT_EQ(frame.gregs[REG_ERR], 7u);
}

TEST_F(SignalsTest, AFaultThatIsBlockedKills) {
  Install(SIGSEGV);
  Put(kBuffer, Bit(SIGSEGV));
  EXPECT_EQ(Call(SYS_rt_sigprocmask, SIG_BLOCK, kBuffer, 0, 8), 0);
  guest_->Fault({SIGSEGV, SEGV_MAPERR, 0, 14, 4});
  ExpectKilledBy(SIGSEGV);
}

class InterruptedCallTest : public SignalsTest {
 protected:
  // Blocks in read(2) of an empty pipe, then gets the signal; the frame.
  Frame Interrupt() {
    EXPECT_EQ(Call(SYS_pipe2, kBuffer, 0), 0);
    const uint64_t fd = Get<int32_t>(kBuffer);
    start_ = guest_->regs().rip;
    guest_->Post(SYS_read, {fd, kBuffer, 1});
    EXPECT_TRUE(guest_->IsBusyFor(20));
    EXPECT_TRUE(SignalFromOutside(*kernel_->init(), SIGUSR1).ok());
    guest_->Await();
    EXPECT_EQ(guest_->regs().rip, kHandler);
    return FrameOf(guest_->regs());
  }
  GuestAddr start_ = 0;
};

TEST_F(InterruptedCallTest, EndsWithEintr) {
  Install(SIGUSR1);
  const Frame frame = Interrupt();
  EXPECT_EQ(static_cast<int64_t>(frame.gregs[REG_RAX]), -EINTR);
  EXPECT_EQ(frame.gregs[REG_RIP], start_ + 2);
}

TEST_F(InterruptedCallTest, StartsOverIfWanted) {
  Install(SIGUSR1, SA_RESTART);
  const Frame frame = Interrupt();
  EXPECT_EQ(frame.gregs[REG_RAX], static_cast<uint64_t>(SYS_read));
  EXPECT_EQ(frame.gregs[REG_RIP], start_);
}

class AltStackTest : public SignalsTest {
 protected:
  static constexpr GuestAddr kAlt = kMemory + 0x90000;
  int64_t Set(GuestAddr sp, int flags, size_t size) {
    stack_t stack{};
    stack.ss_sp = reinterpret_cast<void*>(sp);
    stack.ss_flags = flags;
    stack.ss_size = size;
    Put(kBuffer, stack);
    return Call(SYS_sigaltstack, kBuffer, 0);
  }
  int Flags() {
    EXPECT_EQ(Call(SYS_sigaltstack, 0, kBuffer), 0);
    return Get<stack_t>(kBuffer).ss_flags;
  }
};

TEST_F(AltStackTest, IsUsedOnlyIfTheActionWants) {
  ASSERT_EQ(Set(kAlt, 0, 0x4000), 0);
  Install(SIGUSR1);
  Install(SIGUSR2, SA_ONSTACK);
  EXPECT_GT(kStackTop, Raise(SIGUSR1).rsp);
  EXPECT_LT(guest_->regs().rsp, kAlt);
  EXPECT_EQ(Flags(), 0);
  const Registers regs = Raise(SIGUSR2);
  EXPECT_GT(regs.rsp, kAlt);
  EXPECT_LT(regs.rsp, kAlt + 0x4000);
  EXPECT_EQ(Flags(), SS_ONSTACK);
  EXPECT_EQ(Set(kAlt, SS_DISABLE, 0), -EPERM);
}

TEST_F(AltStackTest, RefusesBadOnes) {
  EXPECT_EQ(Set(kAlt, 0, 2047), -ENOMEM);
  EXPECT_EQ(Set(kAlt, 8, 0x4000), -EINVAL);
  EXPECT_EQ(Call(SYS_sigaltstack, kBad, 0), -EFAULT);
}

// The next handler does not fit any more: Linux kills rather than write below the stack.
TEST_F(AltStackTest, OverflowKills) {
  ASSERT_EQ(Set(kAlt, 0, 0x4000), 0);
  Install(SIGUSR1, SA_ONSTACK);
  Registers regs = guest_->regs();
  regs.rsp = kAlt + 200;
  guest_->set_regs(regs);
  Call(SYS_kill, 1, SIGUSR1);
  ExpectKilledBy(SIGSEGV);
}

class HostileFrameTest : public SignalsTest {
 protected:
  void SetUp() override {
    SignalsTest::SetUp();
    Install(SIGUSR1);
    frame_addr_ = Raise().rsp;
    frame_ = Get<Frame>(frame_addr_);
  }
  std::optional<int64_t> ReturnFrom(const Frame& frame) {
    Put(frame_addr_, frame);
    return Return(frame_addr_);
  }
  GuestAddr frame_addr_ = 0;
  Frame frame_{};
};

TEST_F(HostileFrameTest, BadStackKills) {
  Return(kBad);
  ExpectKilledBy(SIGSEGV);
}

TEST_F(HostileFrameTest, FrameThatEndsBeyondMemoryKills) {
  Return(kEnd - 100);
  ExpectKilledBy(SIGSEGV);
}

TEST_F(HostileFrameTest, FrameAroundTheEndOfTheAddressSpaceKills) {
  Return(UINT64_MAX - 20);
  ExpectKilledBy(SIGSEGV);
}

TEST_F(HostileFrameTest, OnlyUserFlagsAndGeneralRegistersCount) {
  frame_.gregs[REG_EFL] = UINT64_MAX;
  frame_.gregs[REG_CSGSFS] = UINT64_MAX;
  frame_.gregs[REG_RBX] = 7;
  frame_.mask = UINT64_MAX;
  const uint64_t before = guest_->regs().eflags;
  ASSERT_TRUE(ReturnFrom(frame_).has_value());
  const Registers regs = guest_->regs();
  constexpr uint64_t kPrivileged = 0x3000 | 0x200 | 0x4000 | 0x20000;  // IOPL IF NT VM
  EXPECT_EQ(regs.eflags & kPrivileged, before & kPrivileged);
  EXPECT_EQ(regs.cs, 0x33u);
  EXPECT_EQ(regs.ss, 0x2bu);
  EXPECT_EQ(regs.rbx, 7u);
  EXPECT_EQ(Mask(), ~(Bit(SIGKILL) | Bit(SIGSTOP)));
}

TEST_F(HostileFrameTest, BadFpPointerKills) {
  frame_.fpstate = kBad;
  ReturnFrom(frame_);
  ExpectKilledBy(SIGSEGV);
}

TEST_F(HostileFrameTest, NoFpStateIsTheInitialOne) {
  frame_.fpstate = 0;
  ASSERT_TRUE(ReturnFrom(frame_).has_value());
  EXPECT_EQ(guest_->fp(), InitialFpState(FakeThread::kFpSize));
}

TEST_F(HostileFrameTest, ReservedMxcsrBitsKill) {
  Put(frame_.fpstate + 24, uint32_t{0xffff1f80});
  ReturnFrom(frame_);
  ExpectKilledBy(SIGSEGV);
}

TEST_F(HostileFrameTest, UnknownFeaturesKill) {
  Put(frame_.fpstate + 464 + 8, UINT64_MAX);  // what the frame may restore
  Put(frame_.fpstate + kFpOffset, uint64_t{1} << 62);
  ReturnFrom(frame_);
  ExpectKilledBy(SIGSEGV);
}

TEST_F(HostileFrameTest, CompactedImagesKill) {
  Put(frame_.fpstate + kFpOffset + 8, uint64_t{1} << 63);
  ReturnFrom(frame_);
  ExpectKilledBy(SIGSEGV);
}

// A size that is not ours, or without its end mark, is no extended state: the legacy part counts alone.
TEST_F(HostileFrameTest, AbsurdFpSizesAreLegacyImages) {
  for (const uint32_t size : {0u, 511u, 4096u, UINT32_MAX}) {
    Put(frame_.fpstate + 464 + 16, size);
    Put(frame_.fpstate + 464 + 4, UINT32_MAX);
    Put(frame_.fpstate + kFpOffset, UINT64_MAX);  // would be refused if it were looked at
    Put(frame_addr_, frame_);
    EXPECT_TRUE(Return(frame_addr_).has_value()) << size;
    EXPECT_EQ(guest_->fp().size(), FakeThread::kFpSize);
  }
}

TEST_F(SignalsTest, AStackThatCannotTakeTheFrameKills) {
  Install(SIGUSR1);
  Registers regs = guest_->regs();
  regs.rsp = 100;  // the frame would wrap around
  guest_->set_regs(regs);
  Call(SYS_kill, 1, SIGUSR1);
  ExpectKilledBy(SIGSEGV);
}

TEST_F(SignalsTest, AHandlerWithoutRestorerKills) {
  Put(kBuffer, KernelSigaction{kHandler, 0, 0, 0});
  ASSERT_EQ(Call(SYS_rt_sigaction, SIGUSR1, kBuffer, 0, 8), 0);
  Call(SYS_kill, 1, SIGUSR1);
  ExpectKilledBy(SIGSEGV);
}

TEST_F(SignalsTest, ChecksArguments) {
  EXPECT_EQ(Call(SYS_rt_sigaction, 0, 0, kBuffer, 8), -EINVAL);
  EXPECT_EQ(Call(SYS_rt_sigaction, 65, 0, kBuffer, 8), -EINVAL);
  EXPECT_EQ(Call(SYS_rt_sigaction, SIGKILL, kBuffer, 0, 8), -EINVAL);
  EXPECT_EQ(Call(SYS_rt_sigaction, SIGUSR1, kBad, 0, 8), -EFAULT);
  EXPECT_EQ(Call(SYS_rt_sigaction, SIGUSR1, 0, kBuffer, 4), -EINVAL);
  EXPECT_EQ(Call(SYS_rt_sigprocmask, 7, kBuffer, 0, 8), -EINVAL);
  EXPECT_EQ(Call(SYS_kill, 99, 0), -ESRCH);
  EXPECT_EQ(Call(SYS_kill, 1, 65), -EINVAL);
  EXPECT_EQ(Call(SYS_tgkill, 2, 1, 0), -ESRCH);
  EXPECT_EQ(Call(SYS_tgkill, 1, 1, 0), 0);
  EXPECT_EQ(Call(SYS_kill, INT32_MIN, 0), -ESRCH);
}

}  // namespace
}  // namespace runsc
