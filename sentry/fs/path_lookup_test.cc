// Path resolution and name operations over tmpfs.
#include <linux/fs.h>

#include "sentry/fs/testing/tree_fixture.h"

namespace runsc {
namespace {

class PathLookupTest : public TreeTest {
 protected:
  void SetUp() override {
    MountRoot(NewTmpfs(store_, {.mode = 0755}));
    ASSERT_EQ(Mkdir("/a"), 0);
    ASSERT_EQ(Mkdir("/a/b"), 0);
    ASSERT_EQ(Mkfile("/a/f"), 0);
  }
};

TEST_F(PathLookupTest, DotsAndSlashes) {
  EXPECT_EQ(NameOf("/a//b/./../b/"), "/a/b");
  EXPECT_EQ(NameOf("/../../a"), "/a");
  EXPECT_EQ(NameOf("/"), "/");
  EXPECT_EQ(FindError("/a/f/"), ENOTDIR);
  EXPECT_EQ(FindError("/a/f/."), ENOTDIR);
  EXPECT_EQ(FindError("/a/none"), ENOENT);
  EXPECT_EQ(FindError(""), ENOENT);
  EXPECT_EQ(FindError("/a/" + std::string(256, 'x')), ENAMETOOLONG);
}

TEST_F(PathLookupTest, Symlinks) {
  ASSERT_EQ(Symlink("a/b", "/rel"), 0);
  ASSERT_EQ(Symlink("/a", "/a/b/up"), 0);
  ASSERT_EQ(Symlink("loop", "/loop"), 0);
  EXPECT_EQ(NameOf("/rel"), "/a/b");
  EXPECT_EQ(NameOf("/rel/up/f"), "/a/f");
  EXPECT_EQ(FindError("/loop"), ELOOP);
  EXPECT_TRUE(Find("/loop", Vfs::kNoFollow)->dentry->IsSymlink());
  EXPECT_EQ(FindError("/rel", 0, RESOLVE_NO_SYMLINKS), ELOOP);
}

TEST_F(PathLookupTest, BeneathAndInRoot) {
  ASSERT_EQ(Symlink("/a/f", "/a/b/abs"), 0);
  const Path b = *Find("/a/b");
  EXPECT_EQ(vfs_->Lookup(Root(), b, "../f", 0, RESOLVE_BENEATH).error().value(), EXDEV);
  EXPECT_EQ(vfs_->Lookup(Root(), b, "abs", 0, RESOLVE_BENEATH).error().value(), EXDEV);
  EXPECT_EQ(vfs_->Lookup(Root(), b, "abs", 0, RESOLVE_IN_ROOT).error().value(), ENOENT);
  EXPECT_EQ(vfs_->PathName(*vfs_->Lookup(Root(), b, "../../..", 0, RESOLVE_IN_ROOT), root_), "/a/b");
}

TEST_F(PathLookupTest, ChrootCannotBeLeft) {
  Resolver jailed = Root();
  jailed.root = *Find("/a");
  EXPECT_EQ(vfs_->PathName(*vfs_->Lookup(jailed, jailed.root, "/../../b/../..", 0), root_), "/a");
}

TEST_F(PathLookupTest, NegativeEntriesGoWhenTheNameIsMade) {
  EXPECT_EQ(FindError("/a/late"), ENOENT);
  EXPECT_EQ(Mkfile("/a/late"), 0);
  EXPECT_TRUE(Find("/a/late").ok());
  EXPECT_EQ(Unlink("/a/late"), 0);
  EXPECT_EQ(FindError("/a/late"), ENOENT);
}

TEST_F(PathLookupTest, CacheLimitDoesNotLoseNames) {
  vfs_->set_cache_limit(4);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(Mkdir("/a/d" + std::to_string(i)), 0);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(Find("/a/d" + std::to_string(i)).ok());
}

TEST_F(PathLookupTest, ErrorsOfRemoval) {
  EXPECT_EQ(Unlink("/a"), EISDIR);
  EXPECT_EQ(Unlink("/a/b/.."), EISDIR);
  EXPECT_EQ(Rmdir("/a"), ENOTEMPTY);
  EXPECT_EQ(Rmdir("/a/f"), ENOTDIR);
  EXPECT_EQ(Rmdir("/a/b/."), EINVAL);
  EXPECT_EQ(Rmdir("/a/b/.."), ENOTEMPTY);
  EXPECT_EQ(Rmdir("/"), EBUSY);
  EXPECT_EQ(Rmdir("/a/b"), 0);
  EXPECT_EQ(FindError("/a/b"), ENOENT);
}

TEST_F(PathLookupTest, Renames) {
  EXPECT_EQ(Rename("/a", "/a/b/c"), EINVAL);
  EXPECT_EQ(Rename("/a/b", "/a"), ENOTEMPTY);
  EXPECT_EQ(Rename("/a/f", "/a/b"), EISDIR);
  EXPECT_EQ(Rename("/a/b", "/a/f"), ENOTDIR);
  EXPECT_EQ(Rename("/a/b", "/c"), 0);
  EXPECT_EQ(Rename("/a/f", "/c/g"), 0);
  EXPECT_EQ(NameOf("/c/g"), "/c/g");
  EXPECT_EQ(FindError("/a/f"), ENOENT);
  ASSERT_EQ(Mkfile("/h"), 0);
  EXPECT_EQ(Rename("/h", "/c/g", RENAME_NOREPLACE), EEXIST);
  const uint64_t h = AttrOf("/h").ino, g = AttrOf("/c/g").ino;
  EXPECT_EQ(Rename("/h", "/c/g", RENAME_EXCHANGE), 0);
  EXPECT_EQ(AttrOf("/h").ino, g);
  EXPECT_EQ(AttrOf("/c/g").ino, h);
}

TEST_F(PathLookupTest, RenameOverAnOpenFileKeepsIt) {
  ASSERT_EQ(Mkfile("/x"), 0);
  const Path old = *Find("/a/f");
  EXPECT_EQ(Rename("/x", "/a/f"), 0);
  EXPECT_TRUE(old.dentry->unlinked());
  EXPECT_EQ(old.dentry->inode()->GetAttr()->nlink, 0u);
  EXPECT_EQ(vfs_->PathName(old, root_), "/a/f (deleted)");
}

TEST_F(PathLookupTest, Permissions) {
  ASSERT_EQ(Mkdir("/secret", 0700), 0);
  ASSERT_EQ(Mkfile("/secret/f", 0644), 0);
  const Resolver user = As(User(1000));
  EXPECT_EQ(vfs_->Lookup(user, root_, "/secret/f", 0).error().value(), EACCES);
  EXPECT_EQ(vfs_->Mkdir(user, root_, "/a/n", 0755).error().value(), EACCES);
  EXPECT_EQ(vfs_->CheckAccess(*user.creds, *Find("/a/f"), 4).error().value(), 0);
  EXPECT_EQ(vfs_->CheckAccess(*user.creds, *Find("/a/f"), 2).error().value(), EACCES);
  EXPECT_EQ(vfs_->Chmod(user, *Find("/a/f"), 0777).error().value(), EPERM);
}

TEST_F(PathLookupTest, StickyDirectory) {
  ASSERT_EQ(Mkdir("/tmp", 01777), 0);
  EXPECT_TRUE(vfs_->Chmod(Root(), *Find("/tmp"), 01777).ok());
  ASSERT_TRUE(vfs_->Mknod(As(User(1)), root_, "/tmp/f", S_IFREG | 0666, 0).ok());
  EXPECT_EQ(vfs_->Unlink(As(User(2)), root_, "/tmp/f").error().value(), EPERM);
  EXPECT_TRUE(vfs_->Unlink(As(User(1)), root_, "/tmp/f").ok());
}

TEST_F(PathLookupTest, SetGidDirectoriesPassOnTheirGroup) {
  ASSERT_TRUE(vfs_->Chown(Root(), *Find("/a/b"), std::nullopt, 77).ok());
  ASSERT_TRUE(vfs_->Chmod(Root(), *Find("/a/b"), 02755).ok());
  ASSERT_EQ(Mkdir("/a/b/d"), 0);
  EXPECT_EQ(AttrOf("/a/b/d").gid, 77u);
  EXPECT_TRUE(AttrOf("/a/b/d").mode & S_ISGID);
}

TEST_F(PathLookupTest, Mounts) {
  ASSERT_TRUE(vfs_->MountAt(NewTmpfs(store_, {}), *Find("/a/b"), MS_RDONLY, "t").ok());
  EXPECT_NE(Find("/a/b")->mount.get(), root_.mount.get());
  EXPECT_EQ(NameOf("/a/b/.."), "/a");
  EXPECT_EQ(Mkdir("/a/b/x"), EROFS);
  EXPECT_EQ(Rmdir("/a/b"), EBUSY);
  EXPECT_EQ(FindError("/a/b", 0, RESOLVE_NO_XDEV), EXDEV);
  EXPECT_EQ(Rename("/a/f", "/a/b/f"), EXDEV);
  EXPECT_EQ(vfs_->Mounts(root_).size(), 2u);
  EXPECT_TRUE(vfs_->Unmount(*Find("/a/b"), MNT_DETACH).ok());
  EXPECT_EQ(Find("/a/b")->mount.get(), root_.mount.get());
}

TEST_F(PathLookupTest, DeepTreesAreReleasedWithoutRecursion) {
  Path at = *Find("/a/b");
  for (int i = 0; i < 20000; ++i) {
    ASSERT_TRUE(vfs_->Mkdir(Root(), at, "d", 0755).ok());
    at = *vfs_->Lookup(Root(), at, "d", 0);
  }
  at = root_;
  vfs_->set_cache_limit(0);
}

}  // namespace
}  // namespace runsc
