// A mount: a filesystem, or a subtree of it, at a place in the tree.
#pragma once

#include <atomic>
#include <string>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/inode.h"

namespace runsc {

// References: paths, child mounts, the mount table.
class Mount : public RefCounted {
 public:
  Mount(RefPtr<FileSystem> fs, RefPtr<Dentry> root, uint64_t flags, std::string source);
  const RefPtr<FileSystem>& fs() const { return fs_; }
  const RefPtr<Dentry>& root() const { return root_; }
  uint64_t flags() const { return flags_.load(); }  // MS_RDONLY, MS_NOSUID, MS_NOEXEC, MS_NODEV, MS_NOATIME...
  void set_flags(uint64_t flags) { flags_ = flags; }
  int id() const { return id_; }
  const std::string& source() const { return source_; }
  bool read_only() const { return flags() & 1 /* MS_RDONLY */; }

 private:
  friend class Vfs;
  RefPtr<FileSystem> fs_;
  RefPtr<Dentry> root_;
  std::atomic<uint64_t> flags_;
  const std::string source_;
  const int id_;
  RefPtr<Mount> parent_;        // guarded by Vfs's mount lock; null for the root or detached
  RefPtr<Dentry> mount_point_;  // in the parent
};

}  // namespace runsc
