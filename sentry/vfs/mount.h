// A mount: a filesystem, or a subtree of it, at a place in the tree.
#pragma once

#include <sys/mount.h>

#include <atomic>
#include <string>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/dentry_tree.h"
#include "sentry/vfs/inode.h"

namespace runsc {

// References: paths, child mounts, the mount table.
class Mount : public RefCounted {
 public:
  Mount(RefPtr<FileSystem> fs, RefPtr<DentryTree> tree, RefPtr<Dentry> root, uint64_t flags, std::string source);
  const RefPtr<FileSystem>& fs() const { return fs_; }
  const RefPtr<Dentry>& root() const { return root_; }
  const RefPtr<DentryTree>& tree() const { return tree_; }
  uint64_t flags() const { return flags_.load(std::memory_order_relaxed); }  // MS_RDONLY, MS_NOSUID...
  void set_flags(uint64_t flags) { flags_ = flags; }
  int id() const { return id_; }
  const std::string& source() const { return source_; }
  bool read_only() const { return flags() & MS_RDONLY; }

 private:
  friend class MountTable;
  // Released bottom up: the root name, the names, the filesystem.
  RefPtr<FileSystem> fs_;
  RefPtr<DentryTree> tree_;
  RefPtr<Dentry> root_;
  std::atomic<uint64_t> flags_;
  const std::string source_;
  const int id_;
  // Guarded by the mount table's lock; null for the root or when detached.
  RefPtr<Mount> parent_;
  RefPtr<Dentry> mount_point_;  // in the parent
  // Propagation (mount_namespaces(7)), likewise guarded; 0: none.
  int peer_group_ = 0;  // gives to and takes from mounts with the same number
  int master_ = 0;      // takes from the peer group with this number
  bool unbindable_ = false;
  uint64_t locked_flags_ = 0;  // those a less privileged namespace may not clear
  bool locked_ = false;        // copied from a namespace with more rights: may not be taken off alone
  uint64_t namespace_ = 0;     // which mount namespace it is attached in; 0: none
};

}  // namespace runsc
