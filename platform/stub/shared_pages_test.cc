// Pieces that are used again must not show what was in them.
#include "platform/stub/shared_pages.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

namespace runsc::stub {
namespace {

constexpr size_t kPiece = 0x40000, kPage = 4096;

class SharedPagesTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(pages_.Init("test", kPiece, 64, -1).ok()); }

  bool IsZero(uint32_t index) const {
    const uint8_t* piece = pages_.piece(index);
    return std::all_of(piece, piece + kPiece, [](uint8_t byte) { return byte == 0; });
  }

  int64_t BlocksInUse() const {
    struct stat st {};
    return fstat(pages_.fd(), &st) == 0 ? st.st_blocks : -1;
  }

  SharedPages pages_;
};

TEST_F(SharedPagesTest, APieceUsedAgainIsZeroAndStillInMemory) {
  const uint32_t index = *pages_.Allocate();
  for (size_t at : {size_t{0}, 5 * kPage + 7, kPiece - 1}) pages_.piece(index)[at] = 1;
  const int64_t used = BlocksInUse();
  pages_.Free(index);
  EXPECT_EQ(BlocksInUse(), used);
  EXPECT_EQ(*pages_.Allocate(), index);
  EXPECT_TRUE(IsZero(index));
}

TEST_F(SharedPagesTest, APieceFullOfDataGivesItsMemoryBack) {
  const uint32_t index = *pages_.Allocate();
  memset(pages_.piece(index), 1, kPiece);
  pages_.Free(index);
  EXPECT_EQ(BlocksInUse(), 0);
  EXPECT_TRUE(IsZero(*pages_.Allocate()));
}

TEST_F(SharedPagesTest, OnlySomePiecesKeepTheirMemory) {
  std::vector<uint32_t> all;
  while (true) {
    auto index = pages_.Allocate();
    if (!index.ok()) break;
    pages_.piece(*index)[0] = 1;
    all.push_back(*index);
  }
  EXPECT_EQ(all.size(), 64u);
  for (uint32_t index : all) pages_.Free(index);
  EXPECT_LE(BlocksInUse(), static_cast<int64_t>(32 * kPage / 512));
  for (size_t i = 0; i < all.size(); i++) EXPECT_TRUE(IsZero(*pages_.Allocate()));
}

}  // namespace
}  // namespace runsc::stub
