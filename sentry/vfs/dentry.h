// A name in a filesystem tree.
#pragma once

#include <atomic>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "platform/base/mutex.h"
#include "sentry/vfs/inode.h"

namespace runsc {

class DentryTree;

struct NameHash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
};

// References: paths (cwd, root, open files, mounts), child dentries hold their parent, and the tree's
// cache holds what was used lately. Parents know their children by bare pointers; a null one is a
// negative entry: the name is known to be absent.
class Dentry : public RefCounted {
 public:
  const RefPtr<Inode>& inode() const { return inode_; }  // never null
  uint32_t type() const { return type_; }                // S_IFMT bits; an inode's type never changes
  bool IsDir() const { return S_ISDIR(type_); }
  bool IsSymlink() const { return S_ISLNK(type_); }
  bool IsRegular() const { return S_ISREG(type_); }
  DentryTree& tree() const { return tree_; }
  std::string name() const;       // "/" for a root
  RefPtr<Dentry> parent() const;  // itself for a root
  bool unlinked() const;          // the name was removed ("(deleted)" in /proc)
  bool is_mount_point() const { return mounts_here_.load(std::memory_order_acquire) != 0; }
  // Serialises changes to this directory's names, as Linux's i_rwsem. Held across calls of the inode
  // (even to the gofer), never with a ranked lock held: unranked on purpose (docs/locking.md).
  std::mutex& names_mu() { return names_mu_; }

 private:
  friend class DentryTree;
  friend class MountTable;
  Dentry(DentryTree& tree, RefPtr<Dentry> parent, std::string name, RefPtr<Inode> inode, uint32_t type);
  void OnLastRef() override;

  DentryTree& tree_;
  const RefPtr<Inode> inode_;
  const uint32_t type_;
  std::mutex names_mu_;
  std::atomic<int> mounts_here_{0};
  std::atomic<bool> used_lately_{false};
  // Guarded by the tree's lock.
  RefPtr<Dentry> parent_;
  std::string name_;
  std::unordered_map<std::string, Dentry*, NameHash, std::equal_to<>> children_;
  size_t negative_children_ = 0;
  uint64_t generation_ = 0;  // counts changes to children_ made by name operations
  bool unlinked_ = false;
  bool kept_ = false;  // in the tree's cache, at:
  std::list<RefPtr<Dentry>>::iterator cache_position_;
};

}  // namespace runsc
