#include "sentry/kernel/mapped_files.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

RefPtr<File> NewFile() { return MakeRef<File>(Path(), O_RDONLY); }

class MappedFilesTest : public testing::Test {
 protected:
  void Add(GuestAddr start, GuestAddr end, const RefPtr<File>& file) { (void)files_.Add({start, end}, file); }
  MappedFiles files_;
  RefPtr<File> a_ = NewFile(), b_ = NewFile();
};

TEST_F(MappedFilesTest, FindsWhatIsMapped) {
  Add(0x1000, 0x3000, a_);
  EXPECT_EQ(files_.Find(0xfff), nullptr);
  EXPECT_EQ(files_.Find(0x1000), a_);
  EXPECT_EQ(files_.Find(0x2fff), a_);
  EXPECT_EQ(files_.Find(0x3000), nullptr);
}

TEST_F(MappedFilesTest, TheLastPartTakesTheFileWithIt) {
  Add(0x1000, 0x4000, a_);
  EXPECT_EQ(a_->ref_count(), 2);
  (void)files_.Remove({0x2000, 0x3000});
  EXPECT_EQ(files_.Find(0x2000), nullptr);
  EXPECT_EQ(files_.Find(0x3000), a_);
  (void)files_.Remove({0x0, 0x2000});
  EXPECT_EQ(a_->ref_count(), 2);
  (void)files_.Remove({0x3000, 0x9000});
  EXPECT_EQ(a_->ref_count(), 1);
}

TEST_F(MappedFilesTest, NothingIsInARangeThatEndsBeforeItStarts) {
  Add(0x1000, 0x4000, a_);
  EXPECT_TRUE(files_.Remove({0x5000, 0x1000}).empty());
  EXPECT_TRUE(files_.Remove({0x2000, 0x2000}).empty());
  EXPECT_EQ(files_.Find(0x2000), a_);
}

TEST_F(MappedFilesTest, AMappingReplacesWhatWasThere) {
  Add(0x1000, 0x3000, a_);
  Add(0x1000, 0x2000, b_);
  EXPECT_EQ(files_.Find(0x1000), b_);
  EXPECT_EQ(files_.Find(0x2000), a_);
  Add(0x0, 0x8000, b_);
  EXPECT_EQ(a_->ref_count(), 1);
}

TEST_F(MappedFilesTest, MovesAndGrows) {
  Add(0x1000, 0x2000, a_);
  Add(0x9000, 0xa000, b_);
  (void)files_.Move({0x1000, 0x2000}, {0x9000, 0xc000}, false);
  EXPECT_EQ(files_.Find(0x1000), nullptr);
  EXPECT_EQ(files_.Find(0xbfff), a_);
  EXPECT_EQ(b_->ref_count(), 1);
  (void)files_.Move({0x9000, 0xc000}, {0x1000, 0x2000}, true);
  EXPECT_EQ(files_.Find(0x1000), a_);
  EXPECT_EQ(files_.Find(0x9000), a_);
}

TEST_F(MappedFilesTest, MovingAnonymousMemoryCoversAFile) {
  Add(0x9000, 0xa000, b_);
  (void)files_.Move({0x1000, 0x2000}, {0x9000, 0xa000}, false);
  EXPECT_EQ(files_.Find(0x9000), nullptr);
}

TEST_F(MappedFilesTest, TheHostKnowsBetter) {
  Add(0x1000, 0x3000, a_);
  Add(0x5000, 0x6000, b_);
  const MappedFiles::Range mapped[] = {{0x2000, 0x3000}, {0x7000, 0x8000}};
  (void)files_.KeepOnly(mapped);
  EXPECT_EQ(files_.Find(0x1000), nullptr);
  EXPECT_EQ(files_.Find(0x2000), a_);
  EXPECT_EQ(b_->ref_count(), 1);
}

TEST_F(MappedFilesTest, AsksTheHostAgainOnlyWhenItHasDoubled) {
  std::vector<MappedFiles::Range> mapped;
  for (GuestAddr at = 0x1000; !files_.Overgrown(); at += 0x2000) {
    Add(at, at + 0x1000, a_);
    mapped.push_back({at, at + 0x1000});
  }
  (void)files_.KeepOnly(mapped);
  EXPECT_FALSE(files_.Overgrown());
  (void)files_.KeepOnly({});
  EXPECT_EQ(a_->ref_count(), 1);
}

}  // namespace
}  // namespace runsc
