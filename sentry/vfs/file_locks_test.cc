// Ranges of advisory locks.
#include "sentry/vfs/file_locks.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

const char owner_a = 'a', owner_b = 'b';
const LockOwner kA = &owner_a, kB = &owner_b;

RangeLock Range(LockOwner owner, bool write, int64_t start, int64_t end) {
  return {.owner = owner, .pid = 1, .write = write, .start = start, .end = end};
}

TEST(FileLocksTest, ReadersShareWritersDoNot) {
  FileLocks locks;
  EXPECT_TRUE(locks.Lock(Range(kA, false, 0, 9)).ok());
  EXPECT_TRUE(locks.Lock(Range(kB, false, 0, 9)).ok());
  EXPECT_EQ(locks.Lock(Range(kB, true, 5, 5)).error().value(), EAGAIN);
  locks.Unlock(kA, 0, INT64_MAX);
  EXPECT_TRUE(locks.Lock(Range(kB, true, 5, 5)).ok());
}

TEST(FileLocksTest, UnlockingTheMiddleSplits) {
  FileLocks locks;
  ASSERT_TRUE(locks.Lock(Range(kA, true, 0, 99)).ok());
  locks.Unlock(kA, 40, 59);
  RangeLock found;
  EXPECT_FALSE(locks.Conflicting(Range(kB, true, 40, 59), &found));
  ASSERT_TRUE(locks.Conflicting(Range(kB, true, 0, INT64_MAX), &found));
  EXPECT_TRUE(locks.Conflicting(Range(kB, false, 60, 60), &found));
  EXPECT_EQ(found.start, 60);
  EXPECT_EQ(found.end, 99);
}

TEST(FileLocksTest, NeighboursMerge) {
  FileLocks locks;
  ASSERT_TRUE(locks.Lock(Range(kA, true, 0, 9)).ok());
  ASSERT_TRUE(locks.Lock(Range(kA, true, 10, INT64_MAX)).ok());
  RangeLock found;
  ASSERT_TRUE(locks.Conflicting(Range(kB, false, 3, 3), &found));
  EXPECT_EQ(found.start, 0);
  EXPECT_EQ(found.end, INT64_MAX);
}

TEST(FileLocksTest, OwnLocksAreReplaced) {
  FileLocks locks;
  ASSERT_TRUE(locks.Lock(Range(kA, true, 0, 9)).ok());
  ASSERT_TRUE(locks.Lock(Range(kA, false, 0, 4)).ok());
  EXPECT_TRUE(locks.Lock(Range(kB, false, 0, 4)).ok());
  EXPECT_EQ(locks.Lock(Range(kB, false, 5, 9)).error().value(), EAGAIN);
}

}  // namespace
}  // namespace runsc
