// What is mounted where.
#pragma once

#include <atomic>
#include <map>
#include <span>
#include <vector>

#include "sentry/vfs/mount.h"

namespace runsc {

class MountTable {
 public:
  MountTable() = default;
  ~MountTable();  // detaches every mount: parents and children hold each other

  void SetRoot(RefPtr<Mount> mount);
  uint64_t AddTree(RefPtr<Mount> root);  // a new namespace's number
  Path root() const;
  // Steps down while something is mounted on `path`. True if it moved.
  bool Descend(Path& path) const;
  // From the root of a mount to what it covers. False at the root of the tree, and of a detached mount.
  bool Ascend(Path& path) const;
  // EINVAL if the target's mount is not attached; ENOSPC beyond max_mounts in any namespace that gets one.
  Result<void> Attach(RefPtr<Mount> mount, const Path& target);
  // Removes the mount whose root is `target`. EINVAL: not a mount point or the root of the tree;
  // EBUSY: has mounts on it (unless `lazy`, which takes them along).
  Result<void> Detach(const Path& target, bool lazy);
  // mount_namespaces(7); see Vfs.
  Result<void> SetPropagation(const Path& target, uint64_t kind, bool recursive);
  // A new mount of a bound subtree is a peer of its source. EINVAL: unbindable.
  Result<void> JoinPeers(const Mount& source, Mount& copy);
  Result<void> Move(const Path& source, const Path& target);
  Result<void> Pivot(const Path& new_root, const Path& put_old, const Path& old_root);
  Result<uint64_t> CopyTree(uint64_t from, bool less_privileged, std::span<Path*> paths);
  void DropTree(uint64_t ns);
  uint64_t NamespaceOf(const Mount& mount) const;
  Path RootOf(uint64_t ns) const;
  uint64_t LockedFlags(const Mount& mount) const;
  std::string PropagationText(const Mount& mount) const;  // as in mountinfo

  // The mounts of a namespace, parents first, with their parents and mount points.
  struct Entry {
    RefPtr<Mount> mount, parent;
    RefPtr<Dentry> mount_point;
  };
  std::vector<Entry> List(uint64_t ns) const;
  std::vector<Entry> ListAll() const;
  // Of each namespace (fs.mount-max).
  static std::atomic<uint32_t> max_mounts;
  // The name cache of a filesystem that is already mounted somewhere; null if it is not.
  RefPtr<DentryTree> TreeOf(const FileSystem& fs) const;

 private:
  using Key = std::pair<const Mount*, const Dentry*>;
  Result<void> CheckRoomLocked(const Path& target) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  size_t CountLocked(uint64_t ns) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UnhookLocked(Mount& mount, std::vector<RefPtr<RefCounted>>* released) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<RefPtr<Mount>> SubtreeLocked(const RefPtr<Mount>& top) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void HookLocked(const RefPtr<Mount>& mount, const RefPtr<Mount>& parent, const RefPtr<Dentry>& at)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  RefPtr<Mount> RootLocked(uint64_t ns) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<RefPtr<Mount>> ReceiversLocked(const Mount& source, const Dentry& at) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PropagateLocked(const RefPtr<Mount>& mount) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PropagateTreeLocked(const RefPtr<Mount>& top) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RemoveAtReceiversLocked(const Mount& mount, std::vector<RefPtr<RefCounted>>* released)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RemoveTreeLocked(const RefPtr<Mount>& top, std::vector<RefPtr<RefCounted>>* released)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsSharedLocked(const RefPtr<Mount>& mount) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool PeersRemainLocked(const Mount& mount) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetKindLocked(Mount& mount, uint64_t kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static std::vector<Entry> Sorted(std::vector<Entry> list);

  mutable Mutex mu_{LockRank::kMountTable};
  std::map<uint64_t, RefPtr<Mount>> roots_ ABSL_GUARDED_BY(mu_);  // by namespace
  uint64_t next_namespace_ ABSL_GUARDED_BY(mu_) = 2;
  int next_group_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<Key, RefPtr<Mount>> mounted_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc
