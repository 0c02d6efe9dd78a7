#include "sentry/kernel/signals.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

siginfo_t Info(int signo, int value = 0) {
  siginfo_t info{};
  info.si_signo = signo;
  info.si_value.sival_int = value;
  return info;
}

TEST(SignalQueue, StandardSignalsPendOnce) {
  SignalQueue queue;
  EXPECT_TRUE(queue.Add(Info(SIGUSR1)));
  EXPECT_FALSE(queue.Add(Info(SIGUSR1)));
  EXPECT_TRUE(queue.Take(0).has_value());
  EXPECT_FALSE(queue.Take(0).has_value());
}

TEST(SignalQueue, RealTimeSignalsQueueInOrder) {
  SignalQueue queue;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.Add(Info(40, i)));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.Take(0)->si_value.sival_int, i);
  EXPECT_EQ(queue.pending(), 0u);
}

TEST(SignalQueue, FaultsComeFirstThenLowNumbers) {
  SignalQueue queue;
  queue.Add(Info(SIGHUP));
  queue.Add(Info(SIGSEGV));
  queue.Add(Info(SIGUSR1));
  EXPECT_EQ(queue.Take(0)->si_signo, SIGSEGV);
  EXPECT_EQ(queue.Take(0)->si_signo, SIGHUP);
  EXPECT_EQ(queue.Take(0)->si_signo, SIGUSR1);
}

TEST(SignalQueue, BlockedSignalsStay) {
  SignalQueue queue;
  queue.Add(Info(SIGUSR1));
  EXPECT_FALSE(queue.Take(SignalBit(SIGUSR1)).has_value());
  EXPECT_EQ(queue.pending(), SignalBit(SIGUSR1));
  EXPECT_EQ(queue.TakeOneOf(SignalBit(SIGUSR1))->si_signo, SIGUSR1);
}

TEST(SignalQueue, DiscardDropsAllOfASignal) {
  SignalQueue queue;
  queue.Add(Info(40, 1));
  queue.Add(Info(40, 2));
  queue.Add(Info(SIGUSR1));
  queue.Discard(SignalBit(40));
  EXPECT_EQ(queue.queued(), 1u);
  EXPECT_EQ(queue.Take(0)->si_signo, SIGUSR1);
}

}  // namespace
}  // namespace runsc
