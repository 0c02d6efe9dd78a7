#include <fcntl.h>
#include <gtest/gtest.h>

#include "platform/base/mutex.h"
#include "platform/base/ref_ptr.h"
#include "platform/base/result.h"
#include "platform/base/unique_fd.h"

namespace runsc {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) return Errno(EINVAL);
  return n / 2;
}

Result<int> Quarter(int n) { return TRY(Half(TRY(Half(n)))); }

Result<void> CheckEven(int n) {
  TRY(Half(n));
  return {};
}

TEST(Result, TryPassesTheValueOrReturnsTheError) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).error(), Errno(EINVAL));
  EXPECT_TRUE(CheckEven(2).ok());
  EXPECT_EQ(CheckEven(3).error(), Errno(EINVAL));
}

TEST(Result, FromHostTakesErrno) {
  errno = ENOENT;
  EXPECT_EQ(FromHost(-1).error(), Errno(ENOENT));
  EXPECT_EQ(*FromHost(3), 3);
}

struct Counted : RefCounted {
  explicit Counted(int& deaths) : deaths(deaths) {}
  ~Counted() override { ++deaths; }
  int& deaths;
};

TEST(RefPtr, DestroysAtTheLastReference) {
  int deaths = 0;
  RefPtr<Counted> a = MakeRef<Counted>(deaths);
  RefPtr<RefCounted> b = a;
  a.reset();
  EXPECT_EQ(deaths, 0);
  b = nullptr;
  EXPECT_EQ(deaths, 1);
}

TEST(RefPtr, TryIncRefRefusesTheDead) {
  int deaths = 0;
  RefPtr<Counted> a = MakeRef<Counted>(deaths);
  ASSERT_TRUE(a->TryIncRef());
  EXPECT_EQ(a->ref_count(), 2);
  a->DecRef();
}

TEST(UniqueFd, ClosesOnceAndMoves) {
  UniqueFd a(open("/dev/null", O_RDONLY));
  const int raw = a.get();
  UniqueFd b = std::move(a);
  EXPECT_FALSE(a.valid());  // NOLINT: the moved-from state is what is tested
  b.reset();
  EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

TEST(MutexLockPair, AcceptsTheSameMutexTwiceAndEitherOrder) {
  Mutex a(LockRank::kInode);
  Mutex b(LockRank::kInode);
  { MutexLockPair both(a, a); }
  { MutexLockPair both(a, b); }
  { MutexLockPair both(b, a); }
  const bool free = a.TryLock();
  EXPECT_TRUE(free);
  if (free) a.Unlock();
}

#ifndef NDEBUG
TEST(MutexDeathTest, DiesOnAWrongOrder) {
  Mutex outer(LockRank::kTaskSet);
  Mutex inner(LockRank::kInode);
  EXPECT_DEATH(
      {
        MutexLock first(inner);
        MutexLock second(outer);
      },
      "lock order violated");
}
#endif

}  // namespace
}  // namespace runsc
