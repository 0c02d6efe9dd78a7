// Random calls with boundary arguments from a guest of several threads. Nothing may crash, hang or leak; under
// a sanitizer this looks into every handler. RUNSC_FUZZ_SEED and RUNSC_FUZZ_CALLS choose another run.
#include <signal.h>
#include <sys/resource.h>

#include <cstdlib>
#include <random>

#include "sentry/kernel/container_control.h"
#include "sentry/kernel/signals.h"
#include "syscalls/testing/guest_fixture.h"

namespace runsc {
namespace {

constexpr uint64_t kSaRestorer = 0x04000000;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 0);
}

class FuzzTest : public GuestTest {
 protected:
  void SetUp() override {
    GuestTest::SetUp();
    // Guests can ask for files of any size; the host's memory is not for tests.
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{64 << 20, 64 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    // What calls send (SIGPIPE, SIGIO, SIGTTOU...) must not end or stop the guest. SIGUSR1 ends calls that block.
    Put(kBuffer, KernelSigaction{1, 0, 0, 0});
    for (int signo = 1; signo <= 64; ++signo) Call(SYS_rt_sigaction, signo, kBuffer, 0, 8);
    Put(kBuffer, KernelSigaction{kMemory, kSaRestorer, kMemory, 0});
    ASSERT_EQ(Call(SYS_rt_sigaction, SIGUSR1, kBuffer, 0, 8), 0);
  }

  uint64_t Pick(std::initializer_list<uint64_t> values) { return values.begin()[random_() % values.size()]; }

  uint64_t Argument() {
    switch (random_() % 8) {
      case 0:
        return Pick({0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 24, 64, 128, 4096});
      case 1:  // as a descriptor or small number
        return random_() % 12;
      case 2:
        return Pick({UINT64_MAX, 0x80000000, 0x7fffffff, 0xffffffff, uint64_t{1} << 63, INT64_MAX,
                     static_cast<uint64_t>(-100)});
      case 3:
        return Pick({kBad, kEnd, kEnd - 1, kEnd - 7, uint64_t{1} << 47, kMemory + kMemorySize / 2});
      case 4:  // flags
        return uint64_t{1} << (random_() % 32) | uint64_t{1} << (random_() % 32);
      default:
        return kBuffer + (random_() % 64) * 64;
    }
  }

  // Memory that looks like paths, structures, counts and pointers.
  void Scribble() {
    static const char* const kTexts[] = {"/", "/a", "a/b", "/a/b/../c", ".", "", "/init", "user.x", "tmpfs", "/l"};
    for (int i = 0; i < 16; ++i) {
      const GuestAddr at = kBuffer + (random_() % 64) * 64;
      if (random_() % 2) {
        PutString(kTexts[random_() % std::size(kTexts)], at);
      } else {
        for (int word = 0; word < 8; ++word) Put(at + word * 8, Argument());
      }
    }
  }

  // What would end or stop the guest, or may block the signal that wakes it.
  static bool IsLeftOut(uint64_t number) {
    switch (number) {
      case SYS_exit:
      case SYS_exit_group:
      case SYS_execve:
      case SYS_execveat:
      case SYS_kill:
      case SYS_tkill:
      case SYS_tgkill:
      case SYS_rt_sigqueueinfo:
      case SYS_rt_tgsigqueueinfo:
      case SYS_pidfd_send_signal:
      case SYS_rt_sigaction:
      case SYS_rt_sigprocmask:
      case SYS_rt_sigreturn:
      case SYS_rt_sigsuspend:
      case SYS_ppoll:
      case SYS_pselect6:
      case SYS_epoll_pwait:
      case SYS_epoll_pwait2:
      case SYS_vfork:
      case SYS_fork:
      case SYS_clone:
      case SYS_clone3:
      case SYS_seccomp:
      case SYS_prctl:
      case SYS_ptrace:
      case SYS_alarm:
      case SYS_setitimer:
      case SYS_timer_create:
      case SYS_timer_settime:
      case SYS_setrlimit:
      case SYS_prlimit64:
      case SYS_reboot:
      case SYS_munmap:
      case SYS_mremap:
      case SYS_fcntl:  // F_SETOWN with F_SETSIG
        return true;
      default:
        return false;
    }
  }

  // The result, after a nudge if the call blocks.
  bool CallAndSettle(uint64_t number, std::initializer_list<uint64_t> args) {
    guest_->Post(number, args);
    for (int tries = 0; guest_->IsBusyFor(tries == 0 ? 5 : 200); ++tries) {
      if (tries == 50) return false;
      (void)SignalFromOutside(*kernel_->init(), SIGUSR1);
    }
    if (!guest_->Await()) return false;
    Registers regs = guest_->regs();
    regs.rsp = kEnd - 0x10000;
    guest_->set_regs(regs);
    // The handler never returns: unblock the signal again.
    Put(kEnd - 64, uint64_t{0});
    guest_->Call(SYS_rt_sigprocmask, {SIG_SETMASK, kEnd - 64, 0, 8});
    return true;
  }

  std::mt19937_64 random_{FromEnvironment("RUNSC_FUZZ_SEED", 1)};
};

TEST_F(FuzzTest, RandomCallsHurtNobody) {
  const uint64_t calls = FromEnvironment("RUNSC_FUZZ_CALLS", 5000);
  const auto rows = SyscallRows();
  for (uint64_t i = 0; i < calls; ++i) {
    if (i % 8 == 0) Scribble();
    const SyscallRow& row = rows[random_() % rows.size()];
    const auto number = static_cast<uint64_t>(row.number);
    if (IsLeftOut(number)) continue;
    uint64_t a[6];
    for (uint64_t& value : a) value = Argument();
    ASSERT_TRUE(CallAndSettle(number, {a[0], a[1], a[2], a[3], a[4], a[5]}))
        << "call " << i << ": " << row.name << std::hex << " " << a[0] << " " << a[1] << " " << a[2] << " " << a[3]
        << " " << a[4] << " " << a[5];
  }
}

}  // namespace
}  // namespace runsc
