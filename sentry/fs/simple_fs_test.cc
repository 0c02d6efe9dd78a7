#include "sentry/fs/simple_fs.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "sentry/fs/devfs.h"
#include "sentry/fs/proc_cpuinfo.h"
#include "sentry/fs/simple_fs_cpus.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/fs/tmpfs.h"
#include "sentry/vfs/file.h"

namespace runsc {
namespace {

class SimpleFsTest : public testing::Test {
 protected:
  SimpleFsTest() : fs_(MakeRef<SimpleFs>(SimpleFs::Kind{"test", 0x1234, EACCES})) {
    root_ = MakeRef<SimpleDir>(*fs_);
    root_->AddFixed("file", "text\n");
    root_->Dir("a/b").AddLink("link", "target");
    fs_->set_root(root_);
  }
  RefPtr<SimpleFs> fs_;
  RefPtr<SimpleDir> root_;
};

TEST_F(SimpleFsTest, DirMakesWhatIsMissingOnce) {
  EXPECT_EQ(&root_->Dir("a/b"), &root_->Dir("a").Dir("b"));
  EXPECT_TRUE(root_->Dir("a/b").Lookup("link").ok());
}

TEST_F(SimpleFsTest, LookupOfUnknownNameIsEnoent) {
  const auto found = root_->Lookup("nosuch");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().value(), ENOENT);
}

TEST_F(SimpleFsTest, EntriesHaveTypesAndTheInodeNumbersOfLookups) {
  auto entries = root_->Entries();
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].name, "a");
  EXPECT_EQ((*entries)[0].type, DT_DIR);
  EXPECT_EQ((*entries)[1].type, DT_REG);
  auto inode = root_->Lookup("file");
  ASSERT_TRUE(inode.ok());
  EXPECT_EQ((*inode)->GetAttr()->ino, (*entries)[1].ino);
}

TEST_F(SimpleFsTest, NothingCanBeMade) {
  EXPECT_EQ(root_->Create("x", {.mode = S_IFREG | 0644}).error().value(), EACCES);
  EXPECT_EQ(root_->Create("x", {.mode = S_IFDIR | 0755}).error().value(), EPERM);
}

TEST_F(SimpleFsTest, TruncationIsAcceptedOtherChangesAreNot) {
  auto inode = root_->Lookup("file");
  ASSERT_TRUE(inode.ok());
  AttrChange truncate, chmod;
  truncate.size = 0;
  chmod.mode = 0777;
  EXPECT_TRUE((*inode)->SetAttr(truncate).ok());
  EXPECT_EQ((*inode)->SetAttr(chmod).error().value(), EPERM);
}

TEST(FormatTest, GrowsBeyondItsBuffer) {
  const std::string text(2000, 'x');
  EXPECT_EQ(Format("<%s>", text.c_str()), "<" + text + ">");
  std::string out = "a";
  AppendFormat(&out, "%d", 7);
  EXPECT_EQ(out, "a7");
}

TEST(CpuinfoTest, KeepsTheFirstProcessors) {
  const std::string text = "processor\t: 0\nx\n\nprocessor\t: 1\ny\n\n";
  EXPECT_EQ(FirstProcessors(text, 1), "processor\t: 0\nx\n\n");
  EXPECT_EQ(FirstProcessors(text, 2), text);
  EXPECT_EQ(FirstProcessors(text, 9), text);
}

TEST(CpuinfoTest, MadeFromCpuidWithoutAHost) {
  const std::string text = CpuinfoText(2);
  EXPECT_NE(text.find("processor\t: 1\n"), std::string::npos);
  EXPECT_NE(text.find(" sse2"), std::string::npos);
}

TEST(CpuSetTest, BothForms) {
  EXPECT_EQ(CpuMaskText(CpuRange(0, 2)), "3");
  EXPECT_EQ(CpuMaskText(CpuRange(0, 33)), "1,ffffffff");
  EXPECT_EQ(CpuMaskText(CpuRange(64, 1)), "1,00000000,00000000");
  EXPECT_EQ(CpuListText(CpuRange(0, 1)), "0");
  EXPECT_EQ(CpuListText({true, true, false, true, true, true, false, true}), "0-1,3-5,7");
}

TEST(DevfsTest, PopulatesNodesLinksAndMountPoints) {
  MemfdStore store;
  auto fs = NewTmpfs(store, {});
  RefPtr<Inode> root = fs->root();
  ASSERT_TRUE(PopulateDev(*root).ok());
  auto null = root->Lookup("null");
  ASSERT_TRUE(null.ok());
  EXPECT_EQ((*null)->GetAttr()->rdev, makedev(1, 3));
  EXPECT_EQ((*null)->GetAttr()->mode, S_IFCHR | 0666u);
  EXPECT_TRUE(S_ISDIR((*root->Lookup("shm"))->GetAttr()->mode));
  EXPECT_TRUE(S_ISLNK((*root->Lookup("fd"))->GetAttr()->mode));
}

}  // namespace
}  // namespace runsc
