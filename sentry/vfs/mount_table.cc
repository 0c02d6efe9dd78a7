// Attaching, detaching and crossing mounts.
#include "sentry/vfs/mount_table.h"

#include <algorithm>

namespace runsc {
namespace {

int NextMountId() {
  static std::atomic<int> next{20};
  return next++;
}

}  // namespace

Mount::Mount(RefPtr<FileSystem> fs, RefPtr<DentryTree> tree, RefPtr<Dentry> root, uint64_t flags,
             std::string source)
    : fs_(std::move(fs)), tree_(std::move(tree)), root_(std::move(root)), flags_(flags),
      source_(std::move(source)), id_(NextMountId()) {}

MountTable::~MountTable() {
  std::vector<RefPtr<RefCounted>> released;
  MutexLock l(mu_);
  for (const auto& mount : SubtreeLocked(root_)) UnhookLocked(*mount, &released);
  if (root_) released.push_back(std::move(root_));
}

void MountTable::SetRoot(RefPtr<Mount> mount) {
  MutexLock l(mu_);
  std::swap(root_, mount);
}

Path MountTable::root() const {
  MutexLock l(mu_);
  return root_ ? Path(root_, root_->root_) : Path();
}

bool MountTable::Descend(Path& path) const {
  bool moved = false;
  while (path.dentry->is_mount_point()) {
    RefPtr<Mount> mount;
    {
      MutexLock l(mu_);
      const auto it = mounted_.find({path.mount.get(), path.dentry.get()});
      if (it == mounted_.end()) break;
      mount = it->second;
    }
    RefPtr<Dentry> root = mount->root_;
    path = Path(std::move(mount), std::move(root));
    moved = true;
  }
  return moved;
}

bool MountTable::Ascend(Path& path) const {
  Path up;
  {
    MutexLock l(mu_);
    if (!path.mount->parent_) return false;
    up = Path(path.mount->parent_, path.mount->mount_point_);
  }
  path = std::move(up);
  return true;
}

Result<void> MountTable::Attach(RefPtr<Mount> mount, const Path& target) {
  MutexLock l(mu_);
  if (target.mount != root_ && !target.mount->parent_) return Errno(EINVAL);
  const Key key{target.mount.get(), target.dentry.get()};
  if (mounted_.contains(key)) return Errno(EBUSY);
  mount->parent_ = target.mount;
  mount->mount_point_ = target.dentry;
  target.dentry->mounts_here_.fetch_add(1, std::memory_order_acq_rel);
  mounted_[key] = std::move(mount);
  return {};
}

Result<void> MountTable::Detach(const Path& target, bool lazy) {
  std::vector<RefPtr<RefCounted>> released;  // after the lock
  MutexLock l(mu_);
  if (target.dentry != target.mount->root_ || !target.mount->parent_) return Errno(EINVAL);
  const auto subtree = SubtreeLocked(target.mount);
  if (subtree.size() > 1 && !lazy) return Errno(EBUSY);
  for (const auto& mount : subtree) {
    UnhookLocked(*mount, &released);
    released.push_back(mount);
  }
  return {};
}

void MountTable::UnhookLocked(Mount& mount, std::vector<RefPtr<RefCounted>>* released) {
  if (!mount.parent_) return;
  const auto it = mounted_.find({mount.parent_.get(), mount.mount_point_.get()});
  released->push_back(it->second);
  mounted_.erase(it);
  mount.mount_point_->mounts_here_.fetch_sub(1, std::memory_order_acq_rel);
  released->push_back(std::move(mount.mount_point_));
  released->push_back(std::move(mount.parent_));
}

std::vector<RefPtr<Mount>> MountTable::SubtreeLocked(const RefPtr<Mount>& top) const {
  std::vector<RefPtr<Mount>> subtree;
  if (top) subtree.push_back(top);
  for (size_t i = 0; i < subtree.size(); ++i) {
    auto it = mounted_.lower_bound({subtree[i].get(), nullptr});
    for (; it != mounted_.end() && it->first.first == subtree[i].get(); ++it) {
      subtree.push_back(it->second);
    }
  }
  return subtree;
}

std::vector<MountTable::Entry> MountTable::List() const {
  MutexLock l(mu_);
  std::vector<Entry> list;
  for (const auto& mount : SubtreeLocked(root_)) {
    list.push_back({mount, mount->parent_, mount->mount_point_});
  }
  // Newest last, as in the order of mounting.
  std::stable_sort(list.begin(), list.end(), [](const Entry& a, const Entry& b) {
    return a.mount->id() < b.mount->id();
  });
  return list;
}

RefPtr<DentryTree> MountTable::TreeOf(const FileSystem& fs) const {
  MutexLock l(mu_);
  for (const auto& mount : SubtreeLocked(root_)) {
    if (mount->fs_.get() == &fs) return mount->tree_;
  }
  return nullptr;
}

}  // namespace runsc
