// Mount options of tmpfs.
#include <gtest/gtest.h>

#include "sentry/fs/tmpfs.h"

namespace runsc {
namespace {

uint64_t SizeOf(std::string_view data) {
  TmpfsOptions options;
  return ParseTmpfsOptions(data, &options).ok() ? options.size : 1;
}

TEST(TmpfsOptions, SetsWhatIsNamed) {
  TmpfsOptions options{.mode = 0700, .gid = 9};
  ASSERT_TRUE(ParseTmpfsOptions("mode=1755,size=64k,uid=3,nr_inodes=5,inode64", &options).ok());
  EXPECT_EQ(options.mode, 01755u);
  EXPECT_EQ(options.size, 65536u);
  EXPECT_EQ(options.uid, 3u);
  EXPECT_EQ(options.gid, 9u);
  EXPECT_EQ(options.inodes, 5u);
  ASSERT_TRUE(ParseTmpfsOptions("", &options).ok());
  EXPECT_EQ(options.mode, 01755u);
}

TEST(TmpfsOptions, RefusesWhatIsMalformed) {
  for (const char* bad : {"bogus", "mode=8", "size=", "size=1x", "size=-1", "size=k", "uid=a", "nr_inodes=5%"}) {
    TmpfsOptions options;
    EXPECT_FALSE(ParseTmpfsOptions(bad, &options).ok()) << bad;
  }
}

TEST(TmpfsOptions, SizesHaveUnits) {
  EXPECT_EQ(SizeOf("size=1g"), uint64_t{1} << 30);
  EXPECT_EQ(SizeOf("size=4096"), 4096u);
  EXPECT_EQ(SizeOf("nr_blocks=2"), 8192u);
  EXPECT_GT(SizeOf("size=50%"), uint64_t{1} << 20);
  EXPECT_EQ(SizeOf("size=99999999999999g"), 1u);
}

}  // namespace
}  // namespace runsc
