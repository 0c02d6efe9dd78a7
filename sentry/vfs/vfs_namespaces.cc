// Vfs: several mount trees, moving within and between them.
#include "sentry/vfs/mount_namespace.h"
#include "sentry/vfs/vfs_impl.h"

namespace runsc {
namespace {

constexpr uint64_t kLockable = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

}  // namespace

RefPtr<Mount> MountTable::RootLocked(uint64_t ns) const {
  const auto it = roots_.find(ns);
  return it == roots_.end() ? nullptr : it->second;
}

Path MountTable::RootOf(uint64_t ns) const {
  MutexLock l(mu_);
  const RefPtr<Mount> root = RootLocked(ns);
  return root ? Path(root, root->root_) : Path();
}

uint64_t MountTable::NamespaceOf(const Mount& mount) const {
  MutexLock l(mu_);
  return mount.namespace_;
}

uint64_t MountTable::LockedFlags(const Mount& mount) const {
  MutexLock l(mu_);
  return mount.locked_flags_;
}

// `mount` and what is mounted on it become part of the parent's namespace.
void MountTable::HookLocked(const RefPtr<Mount>& mount, const RefPtr<Mount>& parent, const RefPtr<Dentry>& at) {
  mount->parent_ = parent;
  mount->mount_point_ = at;
  at->mounts_here_.fetch_add(1, std::memory_order_acq_rel);
  mounted_[{parent.get(), at.get()}] = mount;
  for (const RefPtr<Mount>& each : SubtreeLocked(mount)) each->namespace_ = parent->namespace_;
}

Result<void> MountTable::Move(const Path& source, const Path& target) {
  std::vector<RefPtr<RefCounted>> released;
  MutexLock l(mu_);
  const RefPtr<Mount>& mount = source.mount;
  if (source.dentry != mount->root_ || !mount->parent_ || mount->locked_) return Errno(EINVAL);
  if (target.mount->namespace_ == 0 || target.mount->namespace_ != mount->namespace_) return Errno(EINVAL);
  if (IsSharedLocked(mount->parent_)) return Errno(EINVAL);
  for (RefPtr<Mount> up = target.mount; up; up = up->parent_) {
    if (up == mount) return Errno(ELOOP);
  }
  if (mounted_.contains({target.mount.get(), target.dentry.get()})) return Errno(EBUSY);
  UnhookLocked(*mount, &released);
  HookLocked(mount, target.mount, target.dentry);
  PropagateTreeLocked(mount);
  return {};
}

Result<void> MountTable::Pivot(const Path& new_root, const Path& put_old, const Path& old_root) {
  std::vector<RefPtr<RefCounted>> released;
  MutexLock l(mu_);
  const RefPtr<Mount>&fresh = new_root.mount, &old = old_root.mount;
  const uint64_t ns = old->namespace_;
  if (ns == 0 || fresh->namespace_ != ns || put_old.mount->namespace_ != ns) return Errno(EINVAL);
  if (fresh == old || put_old.mount == old) return Errno(EBUSY);
  if (new_root.dentry != fresh->root_ || old_root.dentry != old->root_ || !fresh->parent_) return Errno(EINVAL);
  if (fresh->locked_ || IsSharedLocked(put_old.mount) || IsSharedLocked(fresh->parent_) ||
      IsSharedLocked(old->parent_)) {
    return Errno(EINVAL);
  }
  RefPtr<Mount> up = put_old.mount;
  while (up && up != fresh) up = up->parent_;
  if (!up) return Errno(EINVAL);  // put_old is not below new_root
  if (mounted_.contains({put_old.mount.get(), put_old.dentry.get()})) return Errno(EBUSY);
  UnhookLocked(*fresh, &released);
  const RefPtr<Mount> old_parent = old->parent_;
  const RefPtr<Dentry> old_point = old->mount_point_;
  fresh->locked_ = old->locked_;
  old->locked_ = false;
  if (old_parent) {
    UnhookLocked(*old, &released);
    HookLocked(fresh, old_parent, old_point);
  } else {
    fresh->namespace_ = ns;
    roots_[ns] = fresh;
    for (const RefPtr<Mount>& each : SubtreeLocked(fresh)) each->namespace_ = ns;
  }
  HookLocked(old, put_old.mount, put_old.dentry);
  return {};
}

Result<uint64_t> MountTable::CopyTree(uint64_t from, bool less_privileged, std::span<Path*> paths) {
  MutexLock l(mu_);
  const RefPtr<Mount> root = RootLocked(from);
  if (!root) return Errno(EINVAL);
  const uint64_t ns = next_namespace_++;
  std::map<const Mount*, RefPtr<Mount>> copies;
  for (const RefPtr<Mount>& mount : SubtreeLocked(root)) {
    auto copy = MakeRef<Mount>(mount->fs_, mount->tree_, mount->root_, mount->flags(), mount->source_);
    copy->peer_group_ = less_privileged ? 0 : mount->peer_group_;
    copy->master_ = less_privileged && mount->peer_group_ != 0 ? mount->peer_group_ : mount->master_;
    copy->unbindable_ = mount->unbindable_;
    copy->locked_flags_ = mount->locked_flags_ | (less_privileged ? mount->flags() & kLockable : 0);
    copy->locked_ = mount->locked_ || (less_privileged && mount != root);
    copy->namespace_ = ns;
    copies[mount.get()] = copy;
    if (mount != root) HookLocked(copy, copies[mount->parent_.get()], mount->mount_point_);
  }
  roots_[ns] = copies[root.get()];
  for (Path* path : paths) {
    const auto it = copies.find(path->mount.get());
    if (it != copies.end()) path->mount = it->second;
  }
  return ns;
}

void MountTable::DropTree(uint64_t ns) {
  std::vector<RefPtr<RefCounted>> released;
  MutexLock l(mu_);
  const RefPtr<Mount> root = RootLocked(ns);
  if (!root) return;
  RemoveTreeLocked(root, &released);
  root->namespace_ = 0;
  released.push_back(root);
  roots_.erase(ns);
}

Result<void> Vfs::SetPropagation(const Path& target, uint64_t kind, bool recursive) {
  return impl_->mounts.SetPropagation(target, kind, recursive);
}

Result<void> Vfs::MoveMount(const Path& source, const Path& target) {
  if (source.dentry->IsDir() != target.dentry->IsDir()) return Errno(EINVAL);
  return impl_->mounts.Move(source, target);
}

Result<void> Vfs::PivotRoot(const Path& new_root, const Path& put_old, const Path& old_root) {
  if (new_root.dentry->unlinked()) return Errno(ENOENT);
  return impl_->mounts.Pivot(new_root, put_old, old_root);
}

Result<RefPtr<MountNamespace>> Vfs::CopyNamespace(const Path& from, RefPtr<UserNamespace> owner, bool less_privileged,
                                                  std::span<Path*> paths) {
  const uint64_t id = TRY(impl_->mounts.CopyTree(NamespaceOf(from), less_privileged, paths));
  return MakeRef<MountNamespace>(RefPtr<Vfs>(this), id, std::move(owner));
}

uint64_t Vfs::NamespaceOf(const Path& path) const { return path ? impl_->mounts.NamespaceOf(*path.mount) : 0; }

Path Vfs::RootOfNamespace(uint64_t id) const { return impl_->mounts.RootOf(id); }

void Vfs::DropNamespace(uint64_t id) { impl_->mounts.DropTree(id); }

}  // namespace runsc
