#include "sentry/kernel/timers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "sentry/kernel/kernel.h"

namespace runsc {
namespace {

constexpr int64_t kMs = 1'000'000;

void SleepMs(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// Until the callback counted so far, then a while longer, in which it must not go on.
void AwaitCount(const std::atomic<int>& count, int wanted) {
  while (count < wanted) SleepMs(1);
  SleepMs(20);
}

TEST(Timer, FiresOnce) {
  TimerQueue queue;
  std::atomic<int> fired{0};
  Timer timer(queue, [&] { ++fired; });
  timer.Set(Kernel::MonotonicNs() + 5 * kMs, 0);
  AwaitCount(fired, 1);
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(timer.TakeExpirations(), 1u);
  EXPECT_EQ(timer.setting().next, kNever);
}

TEST(Timer, CancelledDoesNotFire) {
  TimerQueue queue;
  std::atomic<int> fired{0};
  Timer timer(queue, [&] { ++fired; });
  timer.Set(Kernel::MonotonicNs() + 30 * kMs, 0);
  timer.Cancel();
  const int before = fired;  // it may have been quicker
  SleepMs(80);
  EXPECT_EQ(fired, before);
}

TEST(Timer, PeriodicCountsEveryPeriod) {
  TimerQueue queue;
  Timer timer(queue, [] {});
  const int64_t start = Kernel::MonotonicNs();
  timer.Set(start + 2 * kMs, 2 * kMs);
  SleepMs(50);
  const auto periods = [start] { return static_cast<uint64_t>((Kernel::MonotonicNs() - start) / (2 * kMs)); };
  const uint64_t before = periods();
  const uint64_t counted = timer.TakeExpirations();
  EXPECT_GE(counted, before);
  EXPECT_LE(counted, periods());
}

// An interval that leads beyond the end of time must not wrap around and fire for ever.
TEST(Timer, HugeIntervalFiresOnce) {
  TimerQueue queue;
  std::atomic<int> fired{0};
  Timer timer(queue, [&] { ++fired; });
  timer.Set(Kernel::MonotonicNs() + kMs, kNever - 1);
  AwaitCount(fired, 1);
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(timer.setting().next, kNever);
}

TEST(Timer, ShiftMovesWhatIsStillToCome) {
  TimerQueue queue;
  std::atomic<int> fired{0};
  Timer timer(queue, [&] { ++fired; });
  timer.Shift(-kMs);  // not armed: nothing to move
  EXPECT_EQ(timer.setting().next, kNever);
  const int64_t now = Kernel::MonotonicNs();
  timer.Set(now + 3600 * kNsPerSecond, 0);
  timer.Shift(kNsPerSecond);
  EXPECT_EQ(timer.setting().next, now + 3601 * kNsPerSecond);
  timer.Shift(-3601 * kNsPerSecond);
  AwaitCount(fired, 1);
  EXPECT_EQ(fired, 1);
}

TEST(Timer, EarlierTimerFiresFirst) {
  TimerQueue queue;
  std::atomic<int> order{0};
  std::atomic<int> late{0}, early{0};
  Timer a(queue, [&] { late = ++order; });
  Timer b(queue, [&] { early = ++order; });
  const int64_t now = Kernel::MonotonicNs();
  a.Set(now + 40 * kMs, 0);
  b.Set(now + 5 * kMs, 0);
  AwaitCount(order, 2);
  EXPECT_EQ(early, 1);
  EXPECT_EQ(late, 2);
}

TEST(Timer, DestructionWaitsForTheCallback) {
  TimerQueue queue;
  std::atomic<bool> done{false};
  {
    std::atomic<bool> started{false};
    Timer timer(queue, [&] {
      started = true;
      SleepMs(30);
      done = true;
    });
    timer.Set(0, 0);
    while (!started) SleepMs(1);
  }
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace runsc
