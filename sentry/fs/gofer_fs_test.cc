// Names of host files over a real gofer in a thread: what is fetched ahead stays true.
#include <linux/fs.h>

#include <set>

#include "gofer/testing/test_gofer.h"
#include "sentry/fs/gofer_fs.h"
#include "sentry/fs/testing/tree_fixture.h"

namespace runsc {
namespace {

class GoferFsTest : public TreeTest {
 protected:
  void SetUp() override {
    for (int i = 0; i < kFiles; ++i) tree_.Write(Name(i), std::to_string(i));
    Mount(false);
  }
  // Handles must not outlive their client.
  void TearDown() override {
    root_ = {};
    vfs_.reset();
  }
  void Mount(bool shared) { MountRoot(*NewGoferFs(gofer_.client(), 0, {.shared = shared, .read_only = false})); }
  static std::string Name(int i) { return "f" + std::to_string(i); }
  static std::string PathOf(const DirEntry& entry) { return "/" + entry.name; }

  std::set<std::string> Names() {
    std::set<std::string> names;
    const std::vector<DirEntry> entries = *Find("/")->dentry->inode()->Entries();
    for (const DirEntry& entry : entries) names.insert(entry.name);
    return names;
  }

  // Lists the directory and looks up two names: those that follow have been fetched ahead.
  std::vector<DirEntry> ListAndBegin() {
    std::vector<DirEntry> entries = *Find("/")->dentry->inode()->Entries();
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(Find(PathOf(entries[static_cast<size_t>(i)])).ok());
    return entries;
  }
  // In the order of the listing, of the names that were not looked up by ListAndBegin.
  std::string Ahead(const std::vector<DirEntry>& entries, size_t i) { return PathOf(entries[2 + i]); }

  static constexpr int kFiles = 40;
  TempTree tree_;
  TestGofer gofer_{tree_};
};

TEST_F(GoferFsTest, AListingIsRememberedUntilANameChanges) {
  EXPECT_EQ(Names().size(), size_t{kFiles});
  tree_.Write("behind", "");  // the guest's alone, so nobody asks the host again
  EXPECT_EQ(Names().size(), size_t{kFiles});
  EXPECT_EQ(Mkfile("/new"), 0);
  EXPECT_EQ(Names().size(), size_t{kFiles} + 2);
  EXPECT_EQ(Rename("/new", "/newer"), 0);
  EXPECT_TRUE(Names().contains("newer"));
  EXPECT_FALSE(Names().contains("new"));
  EXPECT_EQ(Unlink("/newer"), 0);
  EXPECT_FALSE(Names().contains("newer"));
}

TEST_F(GoferFsTest, AListingOfASharedMountIsTheHosts) {
  Mount(true);
  EXPECT_EQ(Names().size(), size_t{kFiles});
  tree_.Write("behind", "");
  EXPECT_TRUE(Names().contains("behind"));
}

TEST_F(GoferFsTest, EveryListedNameIsFound) {
  for (const DirEntry& entry : ListAndBegin()) {
    EXPECT_EQ(AttrOf(PathOf(entry)).size, entry.name.size() - 1) << entry.name;
  }
}

TEST_F(GoferFsTest, NamesFetchedAheadFollowTheGuestsChanges) {
  const auto entries = ListAndBegin();
  EXPECT_EQ(Unlink(Ahead(entries, 0)), 0);
  EXPECT_EQ(FindError(Ahead(entries, 0)), ENOENT);
  EXPECT_EQ(Rename(Ahead(entries, 1), "/renamed"), 0);
  EXPECT_EQ(FindError(Ahead(entries, 1)), ENOENT);
  EXPECT_TRUE(Find("/renamed").ok());
  EXPECT_EQ(Mkfile(Ahead(entries, 2)), EEXIST);
}

// A name in the cache is fetched ahead again by a later listing, and then changed without a lookup on the host.
TEST_F(GoferFsTest, WhatIsFetchedTwiceIsForgottenWhenItGoes) {
  const auto entries = ListAndBegin();
  const Path kept = *Find(Ahead(entries, 0));
  vfs_->set_cache_limit(0);  // forgets all but `kept`
  vfs_->set_cache_limit(1000);
  ListAndBegin();
  EXPECT_EQ(Unlink(Ahead(entries, 0)), 0);
  for (int i = 0; i < 600; ++i)
    EXPECT_EQ(FindError("/no" + std::to_string(i)), ENOENT);  // the cache forgets absent names
  EXPECT_EQ(FindError(Ahead(entries, 0)), ENOENT);
  EXPECT_EQ(Mkfile(Ahead(entries, 0)), 0);
  EXPECT_NE(AttrOf(Ahead(entries, 0)).ino, kept.dentry->inode()->GetAttr()->ino);
}

TEST_F(GoferFsTest, AttributesSetSinceAreKept) {
  const auto entries = ListAndBegin();
  const Path file = *Find(Ahead(entries, 0));
  ASSERT_TRUE(vfs_->Chmod(Root(), file, 0600).ok());
  vfs_->set_cache_limit(0);
  ListAndBegin();
  EXPECT_EQ(AttrOf(Ahead(entries, 0)).mode & 07777, 0600u);
}

TEST_F(GoferFsTest, WhatIsFetchedAgainHidesNoLaterChange) {
  const auto entries = ListAndBegin();
  Path file = *Find(Ahead(entries, 0));
  vfs_->set_cache_limit(0);  // forgets all but `file`
  vfs_->set_cache_limit(1000);
  ListAndBegin();
  ASSERT_TRUE(vfs_->Chmod(Root(), file, 0600).ok());
  file = {};
  vfs_->set_cache_limit(0);
  EXPECT_EQ(AttrOf(Ahead(entries, 0)).mode & 07777, 0600u);
}

// The gofer holds nothing of a file that was only looked up.
TEST_F(GoferFsTest, AFileLookedUpIsFoundAgainAfterItsNameChanged) {
  const auto entries = ListAndBegin();
  const std::string name = Ahead(entries, 0);
  const Path file = *Find(name);
  EXPECT_EQ(Rename(name, "/moved"), 0);
  EXPECT_EQ(Mkfile(name), 0);
  ASSERT_TRUE(vfs_->Chmod(Root(), file, 0640).ok());
  EXPECT_EQ(AttrOf("/moved").mode & 07777, 0640u);
  EXPECT_NE(AttrOf(name).mode & 07777, 0640u);
}

TEST_F(GoferFsTest, AFileLookedUpOutlivesItsName) {
  const auto entries = ListAndBegin();
  const Path unlinked = *Find(Ahead(entries, 0)), replaced = *Find(Ahead(entries, 1));
  EXPECT_EQ(Unlink(Ahead(entries, 0)), 0);
  EXPECT_EQ(Rename(Ahead(entries, 2), Ahead(entries, 1)), 0);
  for (const Path& file : {unlinked, replaced}) {
    ASSERT_TRUE(vfs_->Chmod(Root(), file, 0600).ok());
    EXPECT_EQ(file.dentry->inode()->GetAttr()->nlink, 0u);
    EXPECT_EQ(file.dentry->inode()->GetAttr()->mode & 07777, 0600u);
  }
}

TEST_F(GoferFsTest, AFileThatTheHostReplacedIsStale) {
  const auto entries = ListAndBegin();
  const Path file = *Find(Ahead(entries, 0));
  const std::string host = tree_ / entries[2].name;
  ASSERT_EQ(rename(host.c_str(), (host + "-old").c_str()), 0);
  tree_.Write(entries[2].name, "another");
  EXPECT_EQ(Errno(vfs_->Chmod(Root(), file, 0600)), ESTALE);
}

TEST_F(GoferFsTest, NothingIsFetchedAheadWhereOthersMayChangeNames) {
  Mount(true);
  const auto entries = ListAndBegin();
  unlink((tree_ / entries[2].name).c_str());
  EXPECT_EQ(FindError(Ahead(entries, 0)), ENOENT);
}

TEST_F(GoferFsTest, ADirectoryOfManyMoreFilesThanTheGoferHolds) {
  for (int i = kFiles; i < 1000; ++i) tree_.Write(Name(i), "");
  vfs_->set_cache_limit(16);
  size_t found = 0;
  for (const DirEntry& entry : ListAndBegin()) found += Find(PathOf(entry)).ok();
  EXPECT_EQ(found, 1000u);
}

}  // namespace
}  // namespace runsc
