// What is mounted where.
#pragma once

#include <map>
#include <vector>

#include "sentry/vfs/mount.h"

namespace runsc {

class MountTable {
 public:
  MountTable() = default;
  ~MountTable();  // detaches every mount: parents and children hold each other

  void SetRoot(RefPtr<Mount> mount);
  Path root() const;
  // Steps down while something is mounted on `path`. True if it moved.
  bool Descend(Path& path) const;
  // From the root of a mount to what it covers. False at the root of the tree, and of a detached mount.
  bool Ascend(Path& path) const;
  // EINVAL if the target's mount is not attached.
  Result<void> Attach(RefPtr<Mount> mount, const Path& target);
  // Removes the mount whose root is `target`. EINVAL: not a mount point or the root of the tree;
  // EBUSY: has mounts on it (unless `lazy`, which takes them along).
  Result<void> Detach(const Path& target, bool lazy);
  // The mounts, parents first, with their parents and mount points.
  struct Entry {
    RefPtr<Mount> mount, parent;
    RefPtr<Dentry> mount_point;
  };
  std::vector<Entry> List() const;
  // The name cache of a filesystem that is already mounted somewhere; null if it is not.
  RefPtr<DentryTree> TreeOf(const FileSystem& fs) const;

 private:
  using Key = std::pair<const Mount*, const Dentry*>;
  void UnhookLocked(Mount& mount, std::vector<RefPtr<RefCounted>>* released)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<RefPtr<Mount>> SubtreeLocked(const RefPtr<Mount>& top) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_{LockRank::kMountTable};
  RefPtr<Mount> root_ ABSL_GUARDED_BY(mu_);
  std::map<Key, RefPtr<Mount>> mounted_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc
