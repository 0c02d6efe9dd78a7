// Every operation, through client and server, on a temporary tree.
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include <set>

#include "gofer/testing/test_gofer.h"

namespace runsc {
namespace {

using testing::ElementsAre;

class OperationsTest : public testing::Test {
 protected:
  GoferClient& client() { return gofer_.client(); }
  GoferHandle Root(uint32_t index = 0) {
    return client().Attach(index)->handle.valid() ? std::move(client().Attach(index)->handle) : GoferHandle();
  }
  // The last node of a walk that must get there.
  GoferNode Lookup(const GoferHandle& root, std::vector<std::string_view> names) {
    auto walk = client().Walk(root, names);
    EXPECT_TRUE(walk.ok());
    EXPECT_EQ(walk->nodes.size(), names.size());
    return std::move(walk->nodes.back());
  }
  struct stat HostStat(const std::string& name) {
    struct stat st {};
    EXPECT_EQ(lstat((tree_ / name).c_str(), &st), 0) << name;
    return st;
  }

  TempTree tree_;
  TestGofer gofer_{tree_};
};

TEST_F(OperationsTest, AttachGivesTheRoot) {
  auto node = client().Attach(0);
  ASSERT_TRUE(node.ok());
  EXPECT_TRUE(node->attr.IsDirectory());
  EXPECT_EQ(node->attr.ino, HostStat("").st_ino);
  EXPECT_EQ(client().Attach(99).error(), Errno(ENOENT));
}

TEST_F(OperationsTest, WalkResolvesSeveralNames) {
  mkdir((tree_ / "a").c_str(), 0755);
  mkdir((tree_ / "a/b").c_str(), 0700);
  tree_.Write("a/b/c", "hello");
  GoferHandle root = Root();
  auto walk = client().Walk(root, std::vector<std::string_view>{"a", "b", "c"});
  ASSERT_TRUE(walk.ok());
  ASSERT_EQ(walk->nodes.size(), 3u);
  EXPECT_EQ(walk->nodes[1].attr.mode, uint32_t{S_IFDIR | 0700});
  EXPECT_EQ(walk->nodes[2].attr.size, 5u);
  EXPECT_EQ(walk->stopped, Errno(0));
  EXPECT_FALSE(walk->fd.valid());
}

TEST_F(OperationsTest, LookupResolvesEachNameOnItsOwn) {
  mkdir((tree_ / "a").c_str(), 0755);
  tree_.Write("file", "hello");
  ASSERT_EQ(symlink("file", (tree_ / "link").c_str()), 0);
  GoferHandle root = Root();
  auto children = client().Lookup(root, std::vector<std::string>{"file", "no", "a", "link"});
  ASSERT_TRUE(children.ok());
  ASSERT_EQ(children->size(), 4u);
  EXPECT_EQ((*children)[0]->attr.size, 5u);
  EXPECT_EQ((*children)[1].error(), Errno(ENOENT));
  EXPECT_TRUE((*children)[2]->attr.IsDirectory());
  EXPECT_EQ((*children)[3]->link_target, "file");
  EXPECT_TRUE((*children)[2]->handle.valid());
  EXPECT_FALSE((*children)[0]->handle.valid() || (*children)[3]->handle.valid());
  EXPECT_EQ(client().Lookup(Lookup(root, {"file"}).handle, std::vector<std::string>{"x"}).error(), Errno(ENOTDIR));
}

TEST_F(OperationsTest, WalkStopsAtMissingNamesAndSymlinks) {
  mkdir((tree_ / "a").c_str(), 0755);
  tree_.Write("a/file", "");
  ASSERT_EQ(symlink("file", (tree_ / "a/link").c_str()), 0);
  GoferHandle root = Root();
  auto missing = client().Walk(root, std::vector<std::string_view>{"a", "no", "x"});
  ASSERT_TRUE(missing.ok());
  EXPECT_EQ(missing->nodes.size(), 1u);
  EXPECT_EQ(missing->stopped, Errno(ENOENT));
  auto link = client().Walk(root, std::vector<std::string_view>{"a", "link", "x"});
  ASSERT_TRUE(link.ok());
  ASSERT_EQ(link->nodes.size(), 2u);
  EXPECT_EQ(link->nodes[1].link_target, "file");
  EXPECT_EQ(link->stopped, Errno(0));
  auto through_file = client().Walk(root, std::vector<std::string_view>{"a", "file", "x"});
  EXPECT_EQ(through_file->nodes.size(), 2u);
}

TEST_F(OperationsTest, WalkCanOpenTheLastFile) {
  tree_.Write("f", "content");
  auto walk = client().Walk(Root(), std::vector<std::string_view>{"f"}, O_RDONLY);
  ASSERT_TRUE(walk.ok() && walk->fd.valid());
  char text[8] = {};
  EXPECT_EQ(read(walk->fd.get(), text, 7), 7);
  EXPECT_STREQ(text, "content");
  auto dir = client().Walk(Root(), std::vector<std::string_view>{"f", "g"}, O_RDONLY);
  EXPECT_FALSE(dir->fd.valid());
}

TEST_F(OperationsTest, OpenedFilesAreTheHostsOwn) {
  tree_.Write("f", "0123456789");
  GoferNode node = Lookup(Root(), {"f"});
  auto fd = client().Open(node.handle, O_RDWR);
  ASSERT_TRUE(fd.ok());
  EXPECT_EQ(pwrite(fd->get(), "ab", 2, 4), 2);
  char text[10];
  auto again = client().Open(node.handle, O_RDONLY);
  EXPECT_EQ(pread(again->get(), text, 10, 0), 10);
  EXPECT_EQ(std::string(text, 10), "0123ab6789");
  EXPECT_TRUE(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC);
  ASSERT_TRUE(client().Open(node.handle, O_WRONLY | O_TRUNC).ok());
  EXPECT_EQ(HostStat("f").st_size, 0);
  EXPECT_EQ(client().Open(node.handle, O_RDWR | O_CREAT).error(), Errno(EINVAL));
  EXPECT_EQ(client().Open(node.handle, O_ACCMODE).error(), Errno(EINVAL));
  EXPECT_EQ(client().Open(node.handle, O_PATH).error(), Errno(EINVAL));
}

TEST_F(OperationsTest, UnlinkedFilesStayUsable) {
  tree_.Write("f", "x");
  GoferNode node = Lookup(Root(), {"f"});
  ASSERT_TRUE(client().Unlink(Root(), "f").ok());
  EXPECT_TRUE(client().Open(node.handle, O_RDWR).ok());
  EXPECT_EQ(client().GetAttr(node.handle)->nlink, 0u);
}

TEST_F(OperationsTest, OnlyRegularFilesAreOpened) {
  mkdir((tree_ / "dir").c_str(), 0755);
  ASSERT_EQ(symlink("dir", (tree_ / "link").c_str()), 0);
  ASSERT_EQ(mkfifo((tree_ / "fifo").c_str(), 0644), 0);
  GoferHandle root = Root();
  EXPECT_EQ(client().Open(Lookup(root, {"dir"}).handle, O_RDONLY).error(), Errno(EISDIR));
  EXPECT_EQ(client().Open(Lookup(root, {"link"}).handle, O_RDONLY).error(), Errno(ELOOP));
  EXPECT_EQ(client().Open(Lookup(root, {"fifo"}).handle, O_RDONLY).error(), Errno(ENXIO));
  if (mknod((tree_ / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) GTEST_SKIP();
  GoferNode device = Lookup(root, {"null"});
  EXPECT_TRUE(S_ISCHR(device.attr.mode));
  EXPECT_EQ(device.attr.rdev, makedev(1, 3));
  EXPECT_EQ(client().Open(device.handle, O_RDONLY).error(), Errno(EPERM));
  EXPECT_EQ(client().SetAttr(device.handle, {.size = 0}).error(), Errno(EPERM));
  auto walk = client().Walk(root, std::vector<std::string_view>{"null"}, O_RDONLY);
  EXPECT_FALSE(walk->fd.valid());
}

TEST_F(OperationsTest, CreateSetsOwnerAndMode) {
  auto made = client().Create(Root(), "f", O_RDWR, {.mode = 04711, .uid = 12, .gid = 34});
  ASSERT_TRUE(made.ok());
  struct stat st = HostStat("f");
  EXPECT_EQ(st.st_mode, mode_t{S_IFREG | 04711});
  EXPECT_EQ(st.st_uid, 12u);
  EXPECT_EQ(st.st_gid, 34u);
  EXPECT_EQ(made->node.attr.ino, st.st_ino);
  EXPECT_EQ(made->node.attr.mode, st.st_mode);
  EXPECT_EQ(write(made->fd.get(), "x", 1), 1);
  EXPECT_EQ(client().Create(Root(), "f", O_RDWR, {}).error(), Errno(EEXIST));
  EXPECT_EQ(client().Create(Root(), "g", O_RDWR, {.mode = S_IFREG}).error(), Errno(EINVAL));
}

TEST_F(OperationsTest, CreateOntoADanglingSymlinkDoesNotFollow) {
  ASSERT_EQ(symlink("/tmp/gofer-test-escaped", (tree_ / "l").c_str()), 0);
  EXPECT_EQ(client().Create(Root(), "l", O_RDWR, {}).error(), Errno(EEXIST));
  EXPECT_NE(access("/tmp/gofer-test-escaped", F_OK), 0);
}

TEST_F(OperationsTest, MkdirMknodSymlink) {
  auto dir = client().Mkdir(Root(), "d", {.mode = 02775, .uid = 5, .gid = 6});
  ASSERT_TRUE(dir.ok());
  EXPECT_EQ(dir->attr.mode, uint32_t{S_IFDIR | 02775});
  EXPECT_EQ(HostStat("d").st_uid, 5u);
  ASSERT_TRUE(client().Mknod(dir->handle, "fifo", S_IFIFO, {.mode = 0600}).ok());
  ASSERT_TRUE(client().Mknod(dir->handle, "sock", S_IFSOCK, {.mode = 0600}).ok());
  EXPECT_TRUE(S_ISFIFO(HostStat("d/fifo").st_mode));
  EXPECT_TRUE(S_ISSOCK(HostStat("d/sock").st_mode));
  EXPECT_EQ(client().Mknod(dir->handle, "c", S_IFCHR, {}).error(), Errno(EPERM));
  EXPECT_EQ(client().Mknod(dir->handle, "b", S_IFBLK, {}).error(), Errno(EPERM));
  EXPECT_EQ(client().Mknod(dir->handle, "x", S_IFDIR, {}).error(), Errno(EINVAL));
  auto link = client().Symlink(dir->handle, "l", "../x/y", 7, 8);
  ASSERT_TRUE(link.ok());
  EXPECT_EQ(link->link_target, "../x/y");
  EXPECT_EQ(*client().Readlink(link->handle), "../x/y");
  EXPECT_EQ(HostStat("d/l").st_gid, 8u);
  EXPECT_EQ(client().Readlink(dir->handle).error(), Errno(EINVAL));
  EXPECT_EQ(client().Symlink(dir->handle, "m", "").error(), Errno(ENOENT));
}

TEST_F(OperationsTest, LinkUnlinkRmdirRename) {
  tree_.Write("f", "x");
  GoferHandle root = Root();
  auto dir = client().Mkdir(root, "d", {.mode = 0755});
  GoferNode file = Lookup(root, {"f"});
  auto attr = client().Link(file.handle, dir->handle, "g");
  ASSERT_TRUE(attr.ok());
  EXPECT_EQ(attr->nlink, 2u);
  EXPECT_EQ(client().Link(dir->handle, root, "d2").error(), Errno(EPERM));
  EXPECT_EQ(client().Rmdir(root, "d").error(), Errno(ENOTEMPTY));
  EXPECT_EQ(client().Rename(root, "f", dir->handle, "g", RENAME_NOREPLACE).error(), Errno(EEXIST));
  EXPECT_TRUE(client().Rename(dir->handle, "g", root, "h", 0).ok());
  EXPECT_EQ(client().Rename(root, "f", root, "h", RENAME_WHITEOUT).error(), Errno(EINVAL));
  EXPECT_TRUE(client().Rename(root, "d", root, "h", RENAME_EXCHANGE).ok());
  EXPECT_TRUE(S_ISDIR(HostStat("h").st_mode));
  EXPECT_TRUE(client().Rmdir(root, "h").ok());
  EXPECT_TRUE(client().Unlink(root, "d").ok());
  EXPECT_EQ(client().Unlink(root, "d").error(), Errno(ENOENT));
}

TEST_F(OperationsTest, SymlinksCanBeHardLinked) {
  ASSERT_EQ(symlink("/etc/passwd", (tree_ / "l").c_str()), 0);
  GoferHandle root = Root();
  ASSERT_TRUE(client().Link(Lookup(root, {"l"}).handle, root, "m").ok());
  EXPECT_TRUE(S_ISLNK(HostStat("m").st_mode));
}

TEST_F(OperationsTest, SetAttr) {
  tree_.Write("f", "0123456789");
  GoferNode file = Lookup(Root(), {"f"});
  FileAttrChange change{.mode = 06755, .uid = 3, .gid = 4, .size = 3, .mtime = timespec{1000, 5}};
  auto attr = client().SetAttr(file.handle, change);
  ASSERT_TRUE(attr.ok());
  struct stat st = HostStat("f");
  EXPECT_EQ(st.st_mode, mode_t{S_IFREG | 06755});
  EXPECT_EQ(st.st_uid, 3u);
  EXPECT_EQ(st.st_size, 3);
  EXPECT_EQ(st.st_mtim.tv_sec, 1000);
  EXPECT_EQ(attr->mtime.tv_nsec, 5);
  EXPECT_EQ(attr->size, 3u);
  EXPECT_TRUE(client().SetAttr(file.handle, {.atime = timespec{0, UTIME_NOW}}).ok());
  EXPECT_EQ(client().SetAttr(file.handle, {.atime = timespec{0, 2'000'000'000}}).error(), Errno(EINVAL));
  EXPECT_EQ(client().SetAttr(file.handle, {.mode = 0100644}).error(), Errno(EINVAL));
  EXPECT_EQ(client().SetAttr(file.handle, {.size = ~0ull}).error(), Errno(EINVAL));
}

TEST_F(OperationsTest, SetAttrOnASymlinkTouchesTheLinkOnly) {
  tree_.Write("f", "");
  ASSERT_EQ(symlink("f", (tree_ / "l").c_str()), 0);
  GoferNode link = Lookup(Root(), {"l"});
  EXPECT_TRUE(client().SetAttr(link.handle, {.uid = 9}).ok());
  EXPECT_EQ(HostStat("l").st_uid, 9u);
  EXPECT_EQ(HostStat("f").st_uid, 0u);
  EXPECT_EQ(client().SetAttr(link.handle, {.mode = 0777}).error(), Errno(EOPNOTSUPP));
  EXPECT_TRUE(client().SetAttr(link.handle, {.mtime = timespec{77, 0}}).ok());
  EXPECT_EQ(HostStat("l").st_mtim.tv_sec, 77);
}

TEST_F(OperationsTest, ReadDirReturnsEveryNameOnce) {
  std::set<std::string> expected;
  for (int i = 0; i < 3000; i++) {
    expected.insert("some-longer-file-name-" + std::to_string(i));
  }
  for (const auto& name : expected) tree_.Write(name, "");
  GoferHandle root = Root();
  for (int round = 0; round < 2; round++) {
    std::multiset<std::string> seen;
    uint64_t cursor = 0;
    for (;;) {
      auto batch = client().ReadDir(root, cursor);
      ASSERT_TRUE(batch.ok());
      for (const auto& entry : batch->entries) seen.insert(entry.name);
      if (batch->at_end) break;
      cursor = batch->entries.back().cursor;
    }
    EXPECT_EQ(seen, std::multiset<std::string>(expected.begin(), expected.end()));
  }
}

TEST_F(OperationsTest, ReadDirFromAnyCursor) {
  for (int i = 0; i < 50; i++) tree_.Write("f" + std::to_string(i), "");
  GoferHandle root = Root();
  auto all = client().ReadDir(root, 0);
  ASSERT_EQ(all->entries.size(), 50u);
  EXPECT_TRUE(all->at_end);
  EXPECT_TRUE(client().ReadDir(root, all->entries.back().cursor)->entries.empty());
  auto tail = client().ReadDir(root, all->entries[20].cursor);
  ASSERT_EQ(tail->entries.size(), 29u);
  EXPECT_EQ(tail->entries[0].name, all->entries[21].name);
  EXPECT_EQ(tail->entries[0].type, DT_REG);
  mkdir((tree_ / "empty").c_str(), 0755);
  EXPECT_TRUE(client().ReadDir(Lookup(root, {"empty"}).handle, 0)->entries.empty());
  EXPECT_EQ(client().ReadDir(Lookup(root, {"f1"}).handle, 0).error(), Errno(ENOTDIR));
}

TEST_F(OperationsTest, Xattrs) {
  tree_.Write("f", "");
  GoferNode file = Lookup(Root(), {"f"});
  auto set = client().SetXattr(file.handle, "user.a", std::string_view("b\0c", 3), 0);
  if (!set.ok() && set.error() == Errno(EOPNOTSUPP)) GTEST_SKIP() << "no user xattrs here";
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(*client().GetXattr(file.handle, "user.a"), std::string("b\0c", 3));
  EXPECT_THAT(*client().ListXattr(file.handle), ElementsAre("user.a"));
  EXPECT_EQ(client().GetXattr(file.handle, "user.b").error(), Errno(ENODATA));
  EXPECT_TRUE(client().RemoveXattr(file.handle, "user.a").ok());
  EXPECT_EQ(client().SetXattr(file.handle, "trusted.x", "y", 0).error(), Errno(EOPNOTSUPP));
  EXPECT_EQ(client().SetXattr(file.handle, "security.capability", "y", 0).error(), Errno(EOPNOTSUPP));
  EXPECT_EQ(client().SetXattr(file.handle, "user.a", "y", 64).error(), Errno(EINVAL));
}

TEST_F(OperationsTest, StatfsAndOpenTmp) {
  struct statfs host;
  ASSERT_EQ(statfs(tree_.path().c_str(), &host), 0);
  EXPECT_EQ(client().Statfs(Root())->f_bsize, host.f_bsize);
  EXPECT_EQ(client().Statfs(Root())->f_type, host.f_type);
  auto tmp = client().OpenTmp(2);
  ASSERT_TRUE(tmp.ok());
  EXPECT_EQ(pwrite(tmp->get(), "x", 1, 1 << 20), 1);
  EXPECT_EQ(client().OpenTmp(1).error(), Errno(EROFS));
  EXPECT_EQ(client().OpenTmp(7).error(), Errno(ENOENT));
}

TEST_F(OperationsTest, FilesWithoutANameGetOneByLink) {
  GoferHandle root = Root();
  auto made = client().CreateTmp(root, 0, {.mode = 0640});
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->node.attr.nlink, 0u);
  EXPECT_EQ(made->node.attr.mode & 07777, 0640u);
  EXPECT_EQ(pwrite(made->fd.get(), "text", 4, 0), 4);
  ASSERT_TRUE(client().Link(made->node.handle, root, "named").ok());
  EXPECT_EQ(HostStat("named").st_size, 4);
  auto nameless = client().CreateTmp(root, O_EXCL, {});
  ASSERT_TRUE(nameless.ok());
  EXPECT_EQ(client().Link(nameless->node.handle, root, "never").error(), Errno(ENOENT));
  EXPECT_EQ(client().CreateTmp(Root(1), 0, {}).error(), Errno(EROFS));
  EXPECT_EQ(client().CreateTmp(made->node.handle, 0, {}).error(), Errno(ENOTDIR));
}

TEST_F(OperationsTest, DirectoriesAndFilesAreSynced) {
  tree_.Write("f", "x");
  ASSERT_EQ(symlink("f", (tree_ / "l").c_str()), 0);
  EXPECT_TRUE(client().Sync(Root(), false).ok());
  EXPECT_TRUE(client().Sync(Root(1), true).ok());
  EXPECT_TRUE(client().Sync(Lookup(Root(), {"f"}).handle, false).ok());
  EXPECT_EQ(client().Sync(Lookup(Root(), {"l"}).handle, false).error(), Errno(EINVAL));
}

TEST_F(OperationsTest, NothingCrossesAttachPoints) {
  tree_.Write("f", "");
  GoferHandle writable = Root(0);
  TestGofer other(tree_);
  GoferNode foreign = Lookup(Root(2), {"f"});
  EXPECT_EQ(client().Link(foreign.handle, writable, "g").error(), Errno(EROFS));
}

TEST_F(OperationsTest, HandlesAreReused) {
  tree_.Write("f", "");
  GoferHandle root = Root();
  for (int i = 0; i < 2000; i++) {  // the table has room for 200
    auto walk = client().Walk(root, std::vector<std::string_view>{"f"});
    ASSERT_TRUE(walk.ok() && walk->stopped == Errno(0)) << i;
  }
}

TEST_F(OperationsTest, TheHandleTableIsBounded) {
  tree_.Write("f", "");
  GoferHandle root = Root();
  std::vector<WalkResult> kept;
  int refused = 0;
  for (int i = 0; i < 300; i++) {
    auto walk = client().Walk(root, std::vector<std::string_view>{"f"});
    ASSERT_TRUE(walk.ok());
    refused += walk->stopped == Errno(ENFILE);
    kept.push_back(std::move(*walk));
  }
  EXPECT_GT(refused, 90);
  kept.clear();
  EXPECT_TRUE(client().Walk(root, std::vector<std::string_view>{"f"}).ok());
}

}  // namespace
}  // namespace runsc
