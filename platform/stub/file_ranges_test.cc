#include "platform/stub/file_ranges.h"

#include <gtest/gtest.h>

#include <memory>

namespace runsc::stub {
namespace {

class FileRangesTest : public testing::Test {
 protected:
  static bool IsIn(const stub::InfoPage& info, uint64_t addr) {
    for (uint32_t i = 0; i < info.file_range_count; i++) {
      if (info.file_ranges[i].start <= addr && addr < info.file_ranges[i].end) return true;
    }
    return false;
  }
  bool IsIn(uint64_t addr) const { return IsIn(*info_, addr); }
  std::unique_ptr<stub::InfoPage> info_ = std::make_unique<stub::InfoPage>();
  FileRanges ranges_{*info_};
};

TEST_F(FileRangesTest, ForgetsWhatIsUnmapped) {
  ranges_.Add(0x10000, 0x20000);
  ranges_.Add(0x30000, 0x40000);
  ranges_.Remove(0x10000, 0x14000);
  ranges_.Remove(0x1c000, 0x34000);
  EXPECT_FALSE(IsIn(0x13fff));
  EXPECT_TRUE(IsIn(0x14000));
  EXPECT_FALSE(IsIn(0x1c000));
  EXPECT_FALSE(IsIn(0x33fff));
  EXPECT_TRUE(IsIn(0x3ffff));
  ranges_.Remove(0, 0x100000);
  EXPECT_FALSE(IsIn(0x14000));
}

TEST_F(FileRangesTest, PiecesOfARangeTakeNoRoom) {
  ranges_.Add(0x10000, 0x20000);
  for (uint64_t at = 0x10000; at < 0x20000; at += 0x1000) ranges_.Add(at, at + 0x1000);
  EXPECT_EQ(info_->file_range_count, 1u);
}

TEST_F(FileRangesTest, RoomIsUsedAgain) {
  for (uint64_t i = 1; i < 1000; i++) {
    ranges_.Add(i << 20, (i << 20) + 0x1000);
    ranges_.Remove(i << 20, (i << 20) + 0x1000);
  }
  EXPECT_EQ(info_->file_range_count, 1u);
}

TEST_F(FileRangesTest, TooManyAreCoveredAllTheSame) {
  for (uint64_t i = 1; i < 1000; i++) ranges_.Add(i << 20, (i << 20) + 0x1000);
  for (uint64_t i = 1; i < 1000; i++) EXPECT_TRUE(IsIn(i << 20)) << i;
  EXPECT_FALSE(IsIn(0x8000));
}

TEST_F(FileRangesTest, AForkHasItsOwn) {
  ranges_.Add(0x10000, 0x20000);
  stub::InfoPage other{};
  FileRanges copy(other);
  copy.CopyFrom(ranges_);
  ranges_.Clear();
  EXPECT_TRUE(IsIn(other, 0x10000));
  EXPECT_FALSE(IsIn(0x10000));
}

}  // namespace
}  // namespace runsc::stub
