#include "sentry/fs/load_average.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(LoadAverage, NothingUsedIsNoLoad) {
  LoadAverage load(0);
  EXPECT_EQ(load.At(100 * kSecond, 0), (LoadAverage::Averages{0, 0, 0}));
}

TEST(LoadAverage, TwoBusyProcessorsBecomeTwo) {
  LoadAverage load(0);
  LoadAverage::Averages averages{};
  for (int64_t second = 5; second <= 7200; second += 5) averages = load.At(second * kSecond, 2 * second * kSecond);
  for (const double average : averages) EXPECT_NEAR(average, 2, 0.01);
}

TEST(LoadAverage, HowOftenOneAsksMakesNoDifference) {
  LoadAverage often(0), once(0);
  LoadAverage::Averages last{};
  for (int64_t second = 1; second <= 60; ++second) last = often.At(second * kSecond, second * kSecond);
  const LoadAverage::Averages only = once.At(60 * kSecond, 60 * kSecond);
  for (size_t i = 0; i < last.size(); ++i) EXPECT_NEAR(last[i], only[i], 1e-6);
  EXPECT_NEAR(only[0], 0.632, 0.001);  // 1 - 1/e
}

TEST(LoadAverage, DecaysWhenIdle) {
  LoadAverage load(0);
  const double busy = load.At(60 * kSecond, 60 * kSecond)[0];
  EXPECT_NEAR(load.At(120 * kSecond, 60 * kSecond)[0], busy * 0.368, 0.001);
}

TEST(LoadAverage, QuestionsInQuickSuccessionCountOnce) {
  LoadAverage load(0);
  const auto first = load.At(10 * kSecond, 10 * kSecond);
  EXPECT_EQ(load.At(10 * kSecond + 1000, 10 * kSecond + 1000), first);
}

TEST(LoadAverage, LostTimeIsNotNegative) {
  LoadAverage load(0);
  load.At(10 * kSecond, 10 * kSecond);
  EXPECT_GE(load.At(20 * kSecond, kSecond)[0], 0);
}

}  // namespace
}  // namespace runsc
