// A Vfs with a root filesystem for tests, without tasks or an engine.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "sentry/fs/overlay_fs.h"
#include "sentry/fs/tmpfs.h"
#include "sentry/vfs/vfs.h"

namespace runsc {

// Lookups only hand the task on to files of /proc, which these trees lack: it is never looked at.
inline Task& NoTask() {
  alignas(64) static char nothing[64];
  return reinterpret_cast<Task&>(nothing);
}

inline CredentialsRef User(uid_t uid, CapabilitySet caps = 0) {
  auto creds = MakeRef<Credentials>();
  creds->ruid = creds->euid = creds->suid = creds->fsuid = uid;
  creds->rgid = creds->egid = creds->sgid = creds->fsgid = uid;
  creds->permitted = creds->effective = caps;
  return creds;
}

class TreeTest : public ::testing::Test {
 protected:
  explicit TreeTest() = default;

  void MountRoot(RefPtr<FileSystem> fs) { root_ = std::move(*vfs_->MountRoot(std::move(fs), 0, "test")); }
  Resolver As(CredentialsRef creds) { return Resolver{NoTask(), root_, std::move(creds)}; }
  Resolver Root() { return As(User(0, kAllCapabilities)); }

  int Errno(const Result<void>& result) { return result.error().value(); }
  int Mkdir(const std::string& path, uint32_t mode = 0755) { return Errno(vfs_->Mkdir(Root(), root_, path, mode)); }
  int Mkfile(const std::string& path, uint32_t mode = 0644) {
    return Errno(vfs_->Mknod(Root(), root_, path, S_IFREG | mode, 0));
  }
  int Symlink(const std::string& target, const std::string& path) {
    return Errno(vfs_->Symlink(Root(), target, root_, path));
  }
  int Unlink(const std::string& path) { return Errno(vfs_->Unlink(Root(), root_, path)); }
  int Rmdir(const std::string& path) { return Errno(vfs_->Rmdir(Root(), root_, path)); }
  int Rename(const std::string& from, const std::string& to, uint32_t flags = 0) {
    return Errno(vfs_->Rename(Root(), root_, from, root_, to, flags));
  }
  Result<Path> Find(const std::string& path, uint32_t flags = 0, uint64_t resolve = 0) {
    return vfs_->Lookup(Root(), root_, path, flags, resolve);
  }
  int FindError(const std::string& path, uint32_t flags = 0, uint64_t resolve = 0) {
    return Find(path, flags, resolve).error().value();
  }
  std::string NameOf(const std::string& path) {
    auto found = Find(path);
    return found.ok() ? vfs_->PathName(*found, root_) : "";
  }
  Attr AttrOf(const std::string& path) { return *Find(path)->dentry->inode()->GetAttr(); }
  std::string List(const std::string& path) {
    std::string names;
    const auto entries = Find(path)->dentry->inode()->Entries();
    for (const DirEntry& entry : *entries) names += entry.name + " ";
    return names;
  }

  MemfdStore store_;
  RefPtr<Vfs> vfs_ = MakeRef<Vfs>();
  Path root_;
};

}  // namespace runsc
