// tmpfs data, and copy-up, whiteouts and renames of the overlay.
#include <fcntl.h>
#include <linux/fs.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "sentry/fs/layered_file.h"
#include "sentry/fs/testing/tree_fixture.h"

namespace runsc {
namespace {

size_t Put(Inode& inode, std::string_view text, int64_t offset = 0, bool append = false) {
  BufferSource source(std::as_bytes(std::span(text)));
  int64_t end;
  return static_cast<LayeredFile&>(inode).WriteAt(source, offset, append, UINT64_MAX, true, &end).value_or(0);
}

std::string Get(Inode& inode) {
  std::string text(1 << 20, '\0');
  size_t done = 0;
  for (;;) {
    BufferSink sink(std::as_writable_bytes(std::span(text)).subspan(done));
    const auto n = static_cast<LayeredFile&>(inode).ReadAt(sink, static_cast<int64_t>(done), AtimeRule::kNever);
    if (!n.ok() || *n == 0) break;
    done += *n;
  }
  text.resize(done);
  return text;
}

class TmpfsTest : public TreeTest {
 protected:
  void SetUp() override { MountRoot(NewTmpfs(store_, {.size = 1 << 20})); }
  Inode& File(const std::string& path) {
    if (!Find(path).ok()) Mkfile(path);
    return *Find(path)->dentry->inode();
  }
};

TEST_F(TmpfsTest, SmallAndLargeData) {
  Inode& f = File("/f");
  EXPECT_EQ(Put(f, "hello"), 5u);
  EXPECT_EQ(Put(f, " world", 0, true), 6u);
  EXPECT_EQ(Get(f), "hello world");
  const std::string large(100000, 'x');
  EXPECT_EQ(Put(f, large, 5), large.size());
  EXPECT_EQ(Get(f), "hello" + large);
  EXPECT_EQ(f.GetAttr()->size, large.size() + 5);
}

TEST_F(TmpfsTest, HolesReadAsZeros) {
  Inode& f = File("/f");
  Put(f, "x", 20000);
  const std::string text = Get(f);
  EXPECT_EQ(text.size(), 20001u);
  EXPECT_EQ(text.find_first_not_of('\0'), 20000u);
}

TEST_F(TmpfsTest, TruncateForgetsTheTail) {
  Inode& f = File("/f");
  Put(f, "abcdef");
  AttrChange change;
  change.size = 3;
  ASSERT_TRUE(f.SetAttr(change).ok());
  change.size = 6;
  ASSERT_TRUE(f.SetAttr(change).ok());
  EXPECT_EQ(Get(f), std::string("abc\0\0\0", 6));
}

TEST_F(TmpfsTest, SpaceIsLimitedAndComesBack) {
  const std::string too_much(2 << 20, 'x');
  EXPECT_EQ(Put(File("/f"), too_much), size_t{1 << 20});
  EXPECT_EQ(Put(File("/g"), "x"), 0u);
  EXPECT_EQ(root_.mount->fs()->Statfs()->f_bfree, 0u);
  ASSERT_EQ(Unlink("/f"), 0);
  EXPECT_EQ(Put(File("/g"), "x"), 1u);
}

TEST_F(TmpfsTest, LinksCount) {
  Inode& f = File("/f");
  ASSERT_TRUE(vfs_->Link(Root(), *Find("/f"), root_, "/g").ok());
  EXPECT_EQ(f.GetAttr()->nlink, 2u);
  ASSERT_EQ(Unlink("/f"), 0);
  EXPECT_EQ(AttrOf("/g").nlink, 1u);
  EXPECT_EQ(AttrOf("/").nlink, 2u);
  Mkdir("/d");
  EXPECT_EQ(AttrOf("/").nlink, 3u);
}

TEST_F(TmpfsTest, Xattrs) {
  Inode& f = File("/f");
  EXPECT_TRUE(f.SetXattr("user.a", "1", 0).ok());
  EXPECT_EQ(*f.GetXattr("user.a"), "1");
  EXPECT_EQ(f.SetXattr("user.a", "2", 1 /* XATTR_CREATE */).error().value(), EEXIST);
  EXPECT_TRUE(f.RemoveXattr("user.a").ok());
  EXPECT_EQ(f.GetXattr("user.a").error().value(), ENODATA);
  EXPECT_EQ(f.SetXattr("user.big", std::string(200000, 'x'), 0).error().value(), ENOSPC);
}

// Files below whose size is far beyond what is kept in memory, emptied while somebody reads them there: the reader must
// not take the old size for that of the memory.
class EmptiedWhileReadTest : public TreeTest {
 protected:
  static constexpr int kFiles = 200;
  static constexpr int64_t kFar = int64_t{1} << 39;

  void SetUp() override {
    const RefPtr<FileSystem> lower = NewTmpfs(store_, {});
    MountRoot(lower);
    for (int i = 0; i < kFiles; ++i) {
      Mkfile(Name(i));
      ASSERT_TRUE(Find(Name(i))->dentry->inode()->SetAttr({.size = 2 * kFar}).ok());
    }
    vfs_ = MakeRef<Vfs>();
    MountRoot(*NewOverlay(store_, lower, {}));
  }
  static std::string Name(int i) { return "/" + std::to_string(i); }
};

TEST_F(EmptiedWhileReadTest, ReadersSeeAllOrNothing) {
  std::atomic<LayeredFile*> current{nullptr};
  std::atomic<bool> done{false};
  std::atomic<int> reads{0};
  std::thread reader([&] {
    for (std::byte bytes[16]; !done; ++reads) {
      BufferSink sink(bytes);
      if (LayeredFile* const file = current.load()) (void)file->ReadAt(sink, kFar, AtimeRule::kNever);
    }
  });
  for (int i = 0; i < kFiles; ++i) {
    RefPtr<Inode> inode = Find(Name(i))->dentry->inode();
    current = static_cast<LayeredFile*>(inode.get());
    for (const int before = reads; reads < before + 2;) std::this_thread::yield();
    EXPECT_TRUE(inode->SetAttr({.size = 0}).ok());
    EXPECT_EQ(Get(*inode), "");
    current = nullptr;
    for (const int before = reads; reads < before + 2;) std::this_thread::yield();
  }
  done = true;
  reader.join();
}

// The lower filesystem is a tmpfs: /dir/{one,two}, /file with a hard link /hard.
class OverlayTest : public TreeTest {
 protected:
  void SetUp() override {
    lower_ = NewTmpfs(store_, {});
    MountRoot(lower_);
    Mkdir("/dir");
    Mkfile("/dir/one");
    Mkfile("/dir/two");
    Mkfile("/file");
    Put(*Find("/file")->dentry->inode(), "lower");
    ASSERT_TRUE(vfs_->Link(Root(), *Find("/file"), root_, "/hard").ok());
    lower_root_ = root_;
    vfs_ = MakeRef<Vfs>();
    MountRoot(*NewOverlay(store_, lower_, {}));
  }
  Inode& File(const std::string& path) { return *Find(path)->dentry->inode(); }
  Result<RefPtr<Inode>> Lower(const std::string& name) { return lower_->root()->Lookup(name); }

  RefPtr<FileSystem> lower_;
  Path lower_root_;
};

TEST_F(OverlayTest, ReadsThroughAndCopiesUpOnWrite) {
  EXPECT_EQ(Get(File("/file")), "lower");
  EXPECT_EQ(Put(File("/file"), "U"), 1u);
  EXPECT_EQ(Get(File("/file")), "Uower");
  EXPECT_EQ(Get(**Lower("file")), "lower");
}

TEST_F(OverlayTest, HardLinksStayOneFile) {
  Put(File("/file"), "UPPER");
  EXPECT_EQ(Get(File("/hard")), "UPPER");
  EXPECT_EQ(AttrOf("/hard").ino, AttrOf("/file").ino);
  ASSERT_EQ(Unlink("/file"), 0);
  EXPECT_EQ(AttrOf("/hard").nlink, 1u);
}

TEST_F(OverlayTest, ChangesOutliveTheCache) {
  ASSERT_TRUE(vfs_->Chmod(Root(), *Find("/file"), 0600).ok());
  Put(File("/dir/one"), "data");
  const uint64_t ino = AttrOf("/dir/two").ino;
  vfs_->set_cache_limit(0);
  EXPECT_EQ(AttrOf("/file").mode & 07777, 0600u);
  EXPECT_EQ(Get(File("/dir/one")), "data");
  EXPECT_EQ(AttrOf("/dir/two").ino, ino);
}

TEST_F(OverlayTest, Whiteouts) {
  ASSERT_EQ(Unlink("/dir/one"), 0);
  EXPECT_EQ(FindError("/dir/one"), ENOENT);
  EXPECT_EQ(List("/dir"), "two ");
  ASSERT_EQ(Mkfile("/dir/one"), 0);
  EXPECT_EQ(List("/dir"), "two one ");
  ASSERT_EQ(Unlink("/dir/one"), 0);
  vfs_->set_cache_limit(0);
  EXPECT_EQ(FindError("/dir/one"), ENOENT);
  EXPECT_EQ(Rmdir("/dir"), ENOTEMPTY);
  ASSERT_EQ(Unlink("/dir/two"), 0);
  EXPECT_EQ(Rmdir("/dir"), 0);
  ASSERT_EQ(Mkdir("/dir"), 0);
  EXPECT_EQ(List("/dir"), "");
  EXPECT_TRUE((*Lower("dir"))->Lookup("one").ok());
}

TEST_F(OverlayTest, RenamedLowerDirectoriesKeepTheirContents) {
  ASSERT_EQ(Rename("/dir", "/moved"), 0);
  EXPECT_EQ(FindError("/dir"), ENOENT);
  EXPECT_EQ(List("/moved"), "one two ");
  vfs_->set_cache_limit(0);
  EXPECT_TRUE(Find("/moved/one").ok());
  EXPECT_EQ(FindError("/dir"), ENOENT);
  ASSERT_EQ(Rename("/moved/one", "/file"), 0);
  EXPECT_EQ(Get(File("/file")), "");
  EXPECT_EQ(Get(File("/hard")), "lower");
  EXPECT_EQ(List("/moved"), "two ");
}

TEST_F(OverlayTest, TruncateToNothingReadsNothingBelow) {
  AttrChange change;
  change.size = 0;
  ASSERT_TRUE(File("/file").SetAttr(change).ok());
  EXPECT_EQ(Get(File("/file")), "");
  EXPECT_EQ(Get(**Lower("file")), "lower");
}

TEST_F(OverlayTest, MappedForWritingMovesToAHostFile) {
  auto& file = static_cast<LayeredFile&>(File("/file"));
  const auto map = file.Map(0, true, true);
  ASSERT_TRUE(map.ok());
  ASSERT_EQ(pwrite(map->host_fd, "MM", 2, 0), 2);
  EXPECT_EQ(Get(file), "MMwer");
}

}  // namespace
}  // namespace runsc
