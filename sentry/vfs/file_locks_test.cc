// Ranges of advisory locks.
#include "sentry/vfs/file_locks.h"

#include <gtest/gtest.h>

#include "sentry/vfs/file.h"

namespace runsc {
namespace {

const char owner_a = 'a', owner_b = 'b';
const LockOwner kA = &owner_a, kB = &owner_b;

RangeLock Range(LockOwner owner, bool write, int64_t start, int64_t end) {
  return {.owner = owner, .pid = 1, .write = write, .start = start, .end = end};
}

class NoFileSystem : public FileSystem {
 public:
  NoFileSystem() : FileSystem(1) {}
  std::string_view type() const override { return "none"; }
  RefPtr<Inode> root() override { return nullptr; }
  Result<struct statfs> Statfs() override { return Errno(ENOSYS); }
};

class AnyInode : public Inode {
 public:
  using Inode::Inode;
  Result<Attr> GetAttr() override { return Attr{.dev = 0x1203, .ino = 7}; }
  Result<void> SetAttr(const AttrChange&) override { return {}; }
  Result<RefPtr<File>> Open(Task&, const Path&, int) override { return Errno(ENXIO); }
};

class FileLocksTest : public testing::Test {
 protected:
  RefPtr<NoFileSystem> fs = MakeRef<NoFileSystem>();
  RefPtr<AnyInode> inode = MakeRef<AnyInode>(*fs);
  FileLocks& locks = inode->locks();
};

TEST_F(FileLocksTest, ReadersShareWritersDoNot) {
  EXPECT_TRUE(locks.Lock(Range(kA, false, 0, 9)).ok());
  EXPECT_TRUE(locks.Lock(Range(kB, false, 0, 9)).ok());
  EXPECT_EQ(locks.Lock(Range(kB, true, 5, 5)).error().value(), EAGAIN);
  locks.Unlock(kA, 0, INT64_MAX);
  EXPECT_TRUE(locks.Lock(Range(kB, true, 5, 5)).ok());
}

TEST_F(FileLocksTest, UnlockingTheMiddleSplits) {
  ASSERT_TRUE(locks.Lock(Range(kA, true, 0, 99)).ok());
  locks.Unlock(kA, 40, 59);
  RangeLock found;
  EXPECT_FALSE(locks.Conflicting(Range(kB, true, 40, 59), &found));
  ASSERT_TRUE(locks.Conflicting(Range(kB, true, 0, INT64_MAX), &found));
  EXPECT_TRUE(locks.Conflicting(Range(kB, false, 60, 60), &found));
  EXPECT_EQ(found.start, 60);
  EXPECT_EQ(found.end, 99);
}

TEST_F(FileLocksTest, NeighboursMerge) {
  ASSERT_TRUE(locks.Lock(Range(kA, true, 0, 9)).ok());
  ASSERT_TRUE(locks.Lock(Range(kA, true, 10, INT64_MAX)).ok());
  RangeLock found;
  ASSERT_TRUE(locks.Conflicting(Range(kB, false, 3, 3), &found));
  EXPECT_EQ(found.start, 0);
  EXPECT_EQ(found.end, INT64_MAX);
}

TEST_F(FileLocksTest, OwnLocksAreReplaced) {
  ASSERT_TRUE(locks.Lock(Range(kA, true, 0, 9)).ok());
  ASSERT_TRUE(locks.Lock(Range(kA, false, 0, 4)).ok());
  EXPECT_TRUE(locks.Lock(Range(kB, false, 0, 4)).ok());
  EXPECT_EQ(locks.Lock(Range(kB, false, 5, 9)).error().value(), EAGAIN);
}

TEST_F(FileLocksTest, AreListedAsProcLocksShowsThem) {
  ASSERT_TRUE(locks.Lock(Range(kA, true, 2, 4)).ok());
  ASSERT_TRUE(locks.Lock(Range(kB, false, 8, INT64_MAX)).ok());
  const std::vector<std::string> lines = locks.Describe();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "POSIX  ADVISORY  WRITE 1 12:03:7 2 4");
  EXPECT_EQ(lines[1], "POSIX  ADVISORY  READ 1 12:03:7 8 EOF");
}

TEST_F(FileLocksTest, CirclesOfWaitersAreRefused) {
  const char owner_c = 'c';
  EXPECT_TRUE(LockWaits::Begin(kA, kB).ok());
  EXPECT_TRUE(LockWaits::Begin(kB, &owner_c).ok());
  EXPECT_EQ(LockWaits::Begin(&owner_c, kA).error(), Errno(EDEADLK));
  LockWaits::End(kB);
  EXPECT_TRUE(LockWaits::Begin(&owner_c, kA).ok());
  LockWaits::End(kA);
  LockWaits::End(&owner_c);
}

TEST_F(FileLocksTest, WritersAndRunningProgramsExcludeEachOther) {
  ASSERT_TRUE(inode->TakeWrite().ok());
  EXPECT_EQ(inode->DenyWrite().error(), Errno(ETXTBSY));
  inode->DropWrite();
  ASSERT_TRUE(inode->DenyWrite().ok());
  EXPECT_EQ(inode->TakeWrite().error(), Errno(ETXTBSY));
  inode->AllowWrite();
  EXPECT_EQ(inode->writers(), 0);
}

}  // namespace
}  // namespace runsc
