// A name in a filesystem tree, and the cache of names.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "platform/base/mutex.h"
#include "sentry/vfs/inode.h"

namespace runsc {

// References: paths (cwd, root, open files, mounts) and child dentries hold their parent. Parents hold
// children weakly except through the cache's LRU (vfs/dentry_cache). Positive only: absent names are
// negative entries without an inode.
class Dentry : public RefCounted {
 public:
  const RefPtr<Inode>& inode() const { return inode_; }  // never null for a dentry in a Path
  std::string name() const;      // under the tree lock; "/" for a root
  RefPtr<Dentry> parent() const; // itself for a root
  bool unlinked() const;         // the name was removed ("(deleted)" in /proc)
  bool is_mount_point() const { return mounts_here_.load(std::memory_order_acquire) != 0; }

 private:
  friend class DentryTree;
  friend class Vfs;
  friend class MountTable;
  Dentry(RefPtr<Dentry> parent, std::string name, RefPtr<Inode> inode);
  void OnLastRef() override;

  RefPtr<Dentry> parent_;  // guarded by the tree lock (Vfs::tree_mu), changed by rename
  std::string name_;
  const RefPtr<Inode> inode_;
  std::map<std::string, Dentry*, std::less<>> children_;
  bool unlinked_ = false;
  std::atomic<int> mounts_here_{0};
};

}  // namespace runsc
