// Files that signal events, through the calls that make and use them.
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "sentry/fs/clock_watch.h"
#include "sentry/kernel/container_control.h"
#include "syscalls/testing/guest_fixture.h"

namespace runsc {
namespace {

using EventFilesTest = GuestTest;

constexpr uint64_t Bit(int signo) { return uint64_t{1} << (signo - 1); }

class SignalfdTest : public GuestTest {
 protected:
  // Blocks SIGUSR1 and makes a non-blocking signalfd for it.
  int64_t Make() {
    Put(kBuffer, Bit(SIGUSR1));
    EXPECT_EQ(Call(SYS_rt_sigprocmask, SIG_BLOCK, kBuffer, 0, 8), 0);
    return Call(SYS_signalfd4, -1, kBuffer, 8, SFD_NONBLOCK);
  }
  int64_t Poll(FakeThread& who, int64_t fd, int timeout_ms, int tid = 1) {
    Put(kBuffer + 64, pollfd{static_cast<int>(fd), POLLIN, 0}, tid);
    return CallIn(who, SYS_poll, kBuffer + 64, 1, timeout_ms);
  }
};

TEST_F(SignalfdTest, ReadsAPendingSignalOnce) {
  const int64_t fd = Make();
  ASSERT_GE(fd, 0);
  EXPECT_EQ(Call(SYS_read, fd, kBuffer, 128), -EAGAIN);
  EXPECT_EQ(Poll(*guest_, fd, 0), 0);
  EXPECT_EQ(Call(SYS_kill, 1, SIGUSR1), 0);
  EXPECT_EQ(Poll(*guest_, fd, 0), 1);
  EXPECT_EQ(Call(SYS_read, fd, kBuffer, 127), -EINVAL);
  EXPECT_EQ(Call(SYS_read, fd, kBuffer, 300), 128);
  const auto info = Get<signalfd_siginfo>(kBuffer);
  EXPECT_EQ(info.ssi_signo, static_cast<uint32_t>(SIGUSR1));
  EXPECT_EQ(info.ssi_pid, 1u);
  EXPECT_EQ(info.ssi_code, SI_USER);
  EXPECT_EQ(Call(SYS_read, fd, kBuffer, 128), -EAGAIN);
}

// Each process sees its own signals through the description they share.
TEST_F(SignalfdTest, AnswersAChildForTheChild) {
  const int64_t fd = Make();
  const int64_t child_pid = Call(SYS_fork);
  ASSERT_GT(child_pid, 1);
  const auto child = thread(child_pid);
  EXPECT_EQ(Call(SYS_kill, 1, SIGUSR1), 0);
  EXPECT_EQ(Poll(*guest_, fd, 0), 1);
  EXPECT_EQ(Poll(*child, fd, 0, static_cast<int>(child_pid)), 0);
  EXPECT_EQ(CallIn(*child, SYS_read, fd, kBuffer, 128), -EAGAIN);

  // A child that waits is woken by its own signal.
  Put(kBuffer + 64, pollfd{static_cast<int>(fd), POLLIN, 0}, static_cast<int>(child_pid));
  child->Post(SYS_poll, {kBuffer + 64, 1, static_cast<uint64_t>(-1)});
  EXPECT_TRUE(child->IsBusyFor(20));
  EXPECT_EQ(Call(SYS_kill, child_pid, SIGUSR1), 0);
  EXPECT_EQ(child->Await(), 1);
}

// An epoll instance outlives the process that put a signalfd into it.
TEST_F(SignalfdTest, SurvivesADeadWatcher) {
  const int64_t fd = Make();
  const int64_t epoll = Call(SYS_epoll_create1, 0);
  const int64_t child_pid = Call(SYS_fork);
  const auto child = thread(child_pid);
  Put(kBuffer + 256, epoll_event{EPOLLIN, {}}, static_cast<int>(child_pid));
  EXPECT_EQ(CallIn(*child, SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, kBuffer + 256), 0);
  child->Post(SYS_exit_group, {0});
  EXPECT_EQ(child->Await(), std::nullopt);
  EXPECT_EQ(Call(SYS_wait4, -1, 0, 0, 0), child_pid);
  EXPECT_EQ(Poll(*guest_, fd, 0), 0);
  EXPECT_EQ(Call(SYS_kill, 1, SIGUSR1), 0);
  EXPECT_EQ(Call(SYS_close, fd), 0);
  EXPECT_EQ(Call(SYS_close, epoll), 0);
}

TEST_F(SignalfdTest, RefusesBadArguments) {
  EXPECT_EQ(Call(SYS_signalfd4, -1, kBad, 8, 0), -EFAULT);
  EXPECT_EQ(Call(SYS_signalfd4, -1, kBuffer, 4, 0), -EINVAL);
  EXPECT_EQ(Call(SYS_signalfd4, -1, kBuffer, 8, 1), -EINVAL);
  EXPECT_EQ(Call(SYS_signalfd4, 99, kBuffer, 8, 0), -EBADF);
  const int64_t event = Call(SYS_eventfd2, 0, 0);
  EXPECT_EQ(Call(SYS_signalfd4, event, kBuffer, 8, 0), -EINVAL);
}

class TimerfdTest : public GuestTest {
 protected:
  int64_t Set(int64_t fd, int flags, timespec value, timespec interval = {}) {
    Put(kBuffer, itimerspec{interval, value});
    return Call(SYS_timerfd_settime, fd, flags, kBuffer, 0);
  }
  static timespec FromNow(int seconds) {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return {now.tv_sec + seconds, now.tv_nsec};
  }
};

TEST_F(TimerfdTest, ExpiresAndBlocksUntilThen) {
  const int64_t fd = Call(SYS_timerfd_create, CLOCK_MONOTONIC, 0);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(Set(fd, 0, {0, 20'000'000}), 0);
  EXPECT_EQ(Call(SYS_read, fd, kBuffer, 8), 8);
  EXPECT_EQ(Get<uint64_t>(kBuffer), 1u);
  EXPECT_EQ(Call(SYS_timerfd_gettime, fd, kBuffer), 0);
  EXPECT_EQ(Get<itimerspec>(kBuffer).it_value.tv_nsec, 0);
}

TEST_F(TimerfdTest, TellsOfASetClockOnce) {
  const int64_t fd = Call(SYS_timerfd_create, CLOCK_REALTIME, TFD_NONBLOCK);
  EXPECT_EQ(Set(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, FromNow(3600)), 0);
  EXPECT_EQ(Call(SYS_read, fd, kBuffer, 8), -EAGAIN);
  ClockWatch::Get().Announce();
  EXPECT_EQ(Call(SYS_read, fd, kBuffer, 8), -ECANCELED);
  EXPECT_EQ(Call(SYS_read, fd, kBuffer, 8), -EAGAIN);
  ClockWatch::Get().Announce();
  EXPECT_EQ(Set(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, FromNow(3600)), -ECANCELED);
  EXPECT_EQ(Set(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, FromNow(3600)), 0);
}

TEST_F(TimerfdTest, WakesABlockedReaderWhenTheClockIsSet) {
  const int64_t fd = Call(SYS_timerfd_create, CLOCK_REALTIME, 0);
  EXPECT_EQ(Set(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, FromNow(3600)), 0);
  guest_->Post(SYS_read, {static_cast<uint64_t>(fd), kBuffer, 8});
  EXPECT_TRUE(guest_->IsBusyFor(20));
  ClockWatch::Get().Announce();
  EXPECT_EQ(guest_->Await(), -ECANCELED);
}

// Only times of day care.
TEST_F(TimerfdTest, OtherTimersIgnoreASetClock) {
  const int64_t relative = Call(SYS_timerfd_create, CLOCK_REALTIME, TFD_NONBLOCK);
  const int64_t monotonic = Call(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK);
  EXPECT_EQ(Set(relative, TFD_TIMER_CANCEL_ON_SET, {3600, 0}), 0);
  EXPECT_EQ(Set(monotonic, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, {1 << 30, 0}), 0);
  ClockWatch::Get().Announce();
  EXPECT_EQ(Call(SYS_read, relative, kBuffer, 8), -EAGAIN);
  EXPECT_EQ(Call(SYS_read, monotonic, kBuffer, 8), -EAGAIN);
}

TEST_F(TimerfdTest, SurvivesAbsurdTimes) {
  const int64_t fd = Call(SYS_timerfd_create, CLOCK_MONOTONIC, 0);
  const timespec huge{INT64_MAX, 999'999'999};
  EXPECT_EQ(Set(fd, 0, huge, huge), 0);
  EXPECT_EQ(Set(fd, 0, {0, 1}, huge), 0);
  EXPECT_EQ(Call(SYS_read, fd, kBuffer, 8), 8);
  EXPECT_EQ(Get<uint64_t>(kBuffer), 1u);
  EXPECT_EQ(Set(fd, 0, {-1, 0}), -EINVAL);
  EXPECT_EQ(Set(fd, 0, {0, 1'000'000'000}), -EINVAL);
  EXPECT_EQ(Set(fd, 8, {1, 0}), -EINVAL);
}

TEST_F(EventFilesTest, PipeWithABadAddressLeavesNothingOpen) {
  const size_t before = OpenFds();
  EXPECT_EQ(Call(SYS_pipe2, kBad, 0), -EFAULT);
  EXPECT_EQ(Call(SYS_pipe2, kEnd - 4, 0), -EFAULT);
  EXPECT_EQ(OpenFds(), before);
  EXPECT_EQ(Call(SYS_pipe2, kBuffer, 0x40), -EINVAL);
}

TEST_F(EventFilesTest, EventfdCountsAndBlocks) {
  const int64_t fd = Call(SYS_eventfd2, 3, 0);
  EXPECT_EQ(Call(SYS_read, fd, kBuffer, 8), 8);
  EXPECT_EQ(Get<uint64_t>(kBuffer), 3u);
  guest_->Post(SYS_read, {static_cast<uint64_t>(fd), kBuffer, 8});
  EXPECT_TRUE(guest_->IsBusyFor(20));
  EXPECT_TRUE(SignalFromOutside(*kernel_->init(), SIGKILL).ok());
  EXPECT_EQ(guest_->Await(), std::nullopt);
}

class MemfdTest : public GuestTest {
 protected:
  int64_t Make(unsigned flags) { return Call(SYS_memfd_create, PutString("data"), flags); }
  int64_t Write(int64_t fd, uint64_t size, int64_t offset) { return Call(SYS_pwrite64, fd, kMemory, size, offset); }
};

TEST_F(MemfdTest, KeepsData) {
  const int64_t fd = Make(MFD_CLOEXEC);
  PutString("hello");
  EXPECT_EQ(Call(SYS_write, fd, kBuffer, 5), 5);
  EXPECT_EQ(Call(SYS_lseek, fd, 0, SEEK_SET), 0);
  EXPECT_EQ(Call(SYS_read, fd, kBuffer + 100, 50), 5);
  EXPECT_EQ((Get<std::array<char, 5>>(kBuffer + 100)), (std::array<char, 5>{'h', 'e', 'l', 'l', 'o'}));
}

TEST_F(MemfdTest, SealsHold) {
  const int64_t fd = Make(MFD_ALLOW_SEALING);
  EXPECT_EQ(Write(fd, 4096, 0), 4096);
  EXPECT_EQ(Call(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_GROW), 0);
  EXPECT_EQ(Write(fd, 1, 4096), -EPERM);
  EXPECT_EQ(Write(fd, 10, 0), 10);
  EXPECT_EQ(Call(SYS_ftruncate, fd, 8192), -EPERM);
  EXPECT_EQ(Call(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
  EXPECT_EQ(Call(SYS_ftruncate, fd, 0), -EPERM);
  EXPECT_EQ(Call(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL), 0);
  EXPECT_EQ(Write(fd, 1, 0), -EPERM);
  EXPECT_EQ(Call(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -EPERM);
  EXPECT_EQ(Call(SYS_fcntl, fd, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL);
}

TEST_F(MemfdTest, UnsealableUnlessAsked) {
  const int64_t fd = Make(0);
  EXPECT_EQ(Call(SYS_fcntl, fd, F_GET_SEALS), F_SEAL_SEAL);
  EXPECT_EQ(Call(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_WRITE), -EPERM);
}

TEST_F(MemfdTest, RefusesBadArguments) {
  EXPECT_EQ(Make(0x8000), -EINVAL);
  EXPECT_EQ(Call(SYS_memfd_create, kBad, 0), -EFAULT);
  EXPECT_EQ(Call(SYS_memfd_create, PutString(std::string(250, 'n')), 0), -EINVAL);
  EXPECT_GE(Call(SYS_memfd_create, PutString(std::string(249, 'n')), 0), 0);
}

}  // namespace
}  // namespace runsc
