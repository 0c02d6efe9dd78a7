#include "sentry/kernel/fd_table.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

RefPtr<File> NewFile() { return MakeRef<File>(Path(), O_RDWR); }

TEST(FdTable, LowestFreeDescriptor) {
  FdTable table;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*table.Install(NewFile(), false, 0, 100), i);
  EXPECT_TRUE(table.Remove(1).ok());
  EXPECT_EQ(*table.Install(NewFile(), false, 0, 100), 1);
  EXPECT_EQ(*table.Install(NewFile(), false, 10, 100), 10);
  EXPECT_EQ(*table.Install(NewFile(), false, 0, 100), 3);
}

TEST(FdTable, LimitAndBadDescriptors) {
  FdTable table;
  EXPECT_EQ(*table.Install(NewFile(), false, 0, 1), 0);
  EXPECT_EQ(table.Install(NewFile(), false, 0, 1).error(), Errno(EMFILE));
  EXPECT_EQ(table.Get(5).error(), Errno(EBADF));
  EXPECT_EQ(table.Get(-1).error(), Errno(EBADF));
  EXPECT_EQ(table.InstallAt(1, NewFile(), false, 1).error(), Errno(EBADF));
}

TEST(FdTable, InstallAtReturnsWhatWasThere) {
  FdTable table;
  const auto first = NewFile();
  EXPECT_FALSE(*table.InstallAt(7, first, false, 100));
  EXPECT_EQ(*table.InstallAt(7, NewFile(), false, 100), first);
}

TEST(FdTable, CloexecGoesAtExec) {
  FdTable table;
  EXPECT_TRUE(table.Install(NewFile(), true, 0, 100).ok());
  EXPECT_TRUE(table.Install(NewFile(), false, 0, 100).ok());
  EXPECT_EQ(table.RemoveCloexec().size(), 1u);
  EXPECT_EQ(table.OpenFds(), std::vector<int>{1});
}

TEST(FdTable, ForkCopiesEntries) {
  FdTable table;
  const auto file = NewFile();
  EXPECT_TRUE(table.Install(file, true, 0, 100).ok());
  const auto copy = table.Fork();
  EXPECT_TRUE(table.Remove(0).ok());
  EXPECT_EQ(*copy->Get(0), file);
  EXPECT_TRUE(*copy->GetCloexec(0));
}

}  // namespace
}  // namespace runsc
