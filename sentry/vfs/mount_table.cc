// Attaching, detaching and crossing mounts.
#include "sentry/vfs/mount_table.h"

#include <algorithm>

namespace runsc {
namespace {

constexpr uint64_t kFirstNamespace = 1;

int NextMountId() {
  static std::atomic<int> next{20};
  return next++;
}

}  // namespace

Mount::Mount(RefPtr<FileSystem> fs, RefPtr<DentryTree> tree, RefPtr<Dentry> root, uint64_t flags, std::string source)
    : fs_(std::move(fs)),
      tree_(std::move(tree)),
      root_(std::move(root)),
      flags_(flags),
      source_(std::move(source)),
      id_(NextMountId()) {}

MountTable::~MountTable() {
  std::vector<RefPtr<RefCounted>> released;
  MutexLock l(mu_);
  for (const auto& [ns, root] : roots_) {
    for (const auto& mount : SubtreeLocked(root)) UnhookLocked(*mount, &released);
    released.push_back(root);
  }
  roots_.clear();
}

void MountTable::SetRoot(RefPtr<Mount> mount) {
  MutexLock l(mu_);
  mount->namespace_ = kFirstNamespace;
  std::swap(roots_[kFirstNamespace], mount);
}

uint64_t MountTable::AddTree(RefPtr<Mount> root) {
  MutexLock l(mu_);
  const uint64_t ns = next_namespace_++;
  root->namespace_ = ns;
  roots_[ns] = std::move(root);
  return ns;
}

Path MountTable::root() const { return RootOf(kFirstNamespace); }

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

std::atomic<uint32_t> MountTable::max_mounts{100000};

size_t MountTable::CountLocked(uint64_t ns) const {
  const auto is_in = [&](const auto& entry) ABSL_NO_THREAD_SAFETY_ANALYSIS { return entry.second->namespace_ == ns; };
  return 1 + std::count_if(mounted_.begin(), mounted_.end(), is_in);
}

// For one mount, and what it becomes at the receivers.
Result<void> MountTable::CheckRoomLocked(const Path& target) const {
  // Each mount gets one more at most: far from the limit nothing need be counted.
  if (2 * (mounted_.size() + roots_.size()) + 1 <= max_mounts) return {};
  std::map<uint64_t, size_t> more{{target.mount->namespace_, 1}};
  for (const RefPtr<Mount>& receiver : ReceiversLocked(*target.mount, *target.dentry)) ++more[receiver->namespace_];
  for (const auto& [ns, count] : more) {
    if (CountLocked(ns) + count > max_mounts) return Errno(ENOSPC);
  }
  return {};
}

Result<void> MountTable::Attach(RefPtr<Mount> mount, const Path& target) {
  MutexLock l(mu_);
  if (target.mount->namespace_ == 0) return Errno(EINVAL);
  const Key key{target.mount.get(), target.dentry.get()};
  if (mounted_.contains(key)) return Errno(EBUSY);
  TRY(CheckRoomLocked(target));
  HookLocked(mount, target.mount, target.dentry);
  PropagateLocked(mount);
  return {};
}

Result<void> MountTable::Detach(const Path& target, bool lazy) {
  std::vector<RefPtr<RefCounted>> released;  // after the lock
  MutexLock l(mu_);
  if (target.dentry != target.mount->root_ || !target.mount->parent_ || target.mount->locked_) return Errno(EINVAL);
  const auto subtree = SubtreeLocked(target.mount);
  if (subtree.size() > 1 && !lazy) return Errno(EBUSY);
  RemoveAtReceiversLocked(*target.mount, &released);
  RemoveTreeLocked(target.mount, &released);
  return {};
}

void MountTable::UnhookLocked(Mount& mount, std::vector<RefPtr<RefCounted>>* released) {
  if (!mount.parent_) return;
  const auto it = mounted_.find({mount.parent_.get(), mount.mount_point_.get()});
  released->push_back(it->second);
  mounted_.erase(it);
  mount.namespace_ = 0;
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

std::vector<MountTable::Entry> MountTable::List(uint64_t ns) const {
  std::vector<Entry> list;
  {
    MutexLock l(mu_);
    for (const auto& mount : SubtreeLocked(RootLocked(ns)))
      list.push_back({mount, mount->parent_, mount->mount_point_});
  }
  return Sorted(std::move(list));
}

std::vector<MountTable::Entry> MountTable::ListAll() const {
  std::vector<Entry> list;
  {
    MutexLock l(mu_);
    for (const auto& [ns, root] : roots_) list.push_back({root, nullptr, nullptr});
    for (const auto& [key, mount] : mounted_) list.push_back({mount, mount->parent_, mount->mount_point_});
  }
  return Sorted(std::move(list));
}

std::vector<MountTable::Entry> MountTable::Sorted(std::vector<Entry> list) {
  // Newest last, as in the order of mounting.
  std::stable_sort(list.begin(), list.end(),
                   [](const Entry& a, const Entry& b) { return a.mount->id() < b.mount->id(); });
  return list;
}

RefPtr<DentryTree> MountTable::TreeOf(const FileSystem& fs) const {
  MutexLock l(mu_);
  for (const auto& [ns, root] : roots_) {
    if (root->fs_.get() == &fs) return root->tree_;
  }
  for (const auto& [key, mount] : mounted_) {
    if (mount->fs_.get() == &fs) return mount->tree_;
  }
  return nullptr;
}

}  // namespace runsc
