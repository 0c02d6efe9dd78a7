// Mounts that appear in several places: peer groups, masters and slaves (mount_namespaces(7)).
#include <set>

#include "sentry/vfs/mount_table.h"

namespace runsc {
namespace {

bool IsBelow(RefPtr<Dentry> dentry, const Dentry& top) {
  for (;;) {
    if (dentry.get() == &top) return true;
    RefPtr<Dentry> parent = dentry->parent();
    if (parent == dentry) return false;
    dentry = std::move(parent);
  }
}

}  // namespace

bool MountTable::IsSharedLocked(const RefPtr<Mount>& mount) const { return mount && mount->peer_group_ != 0; }

// Where else something mounted on `source` at `at` shows: its peers, their slaves, the slaves' peers...
std::vector<RefPtr<Mount>> MountTable::ReceiversLocked(const Mount& source, const Dentry& at) const {
  std::vector<RefPtr<Mount>> receivers;
  if (source.peer_group_ == 0) return receivers;
  std::set<int> groups{source.peer_group_};
  std::set<const Mount*> seen{&source};
  const auto consider = [&](const RefPtr<Mount>& mount) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (!groups.contains(mount->peer_group_) && !groups.contains(mount->master_)) return false;
    if (!seen.insert(mount.get()).second) return false;
    receivers.push_back(mount);
    return mount->peer_group_ != 0 && groups.insert(mount->peer_group_).second;
  };
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& [ns, root] : roots_) grown |= consider(root);
    for (const auto& [key, mount] : mounted_) grown |= consider(mount);
  }
  std::erase_if(receivers, [&](const RefPtr<Mount>& mount) {
    return mount->tree_ != source.tree_ || !IsBelow(RefPtr<Dentry>(const_cast<Dentry*>(&at)), *mount->root_);
  });
  return receivers;
}

// `mount` was just hooked: its parent's receivers get a copy, tied to it as their mounts are to the parent.
void MountTable::PropagateLocked(const RefPtr<Mount>& mount) {
  Mount& parent = *mount->parent_;
  if (parent.peer_group_ == 0) return;
  if (mount->peer_group_ == 0) mount->peer_group_ = next_group_++;
  std::map<int, int> slave_groups;
  for (const RefPtr<Mount>& receiver : ReceiversLocked(parent, *mount->mount_point_)) {
    if (mounted_.contains({receiver.get(), mount->mount_point_.get()})) continue;
    auto copy = MakeRef<Mount>(mount->fs_, mount->tree_, mount->root_, mount->flags(), mount->source_);
    if (receiver->peer_group_ == parent.peer_group_) {
      copy->peer_group_ = mount->peer_group_;
    } else {
      copy->master_ = mount->peer_group_;
      int& group = slave_groups[receiver->peer_group_];
      if (receiver->peer_group_ != 0 && group == 0) group = next_group_++;
      copy->peer_group_ = group;
    }
    HookLocked(copy, receiver, mount->mount_point_);
  }
}

void MountTable::PropagateTreeLocked(const RefPtr<Mount>& top) {
  for (const RefPtr<Mount>& mount : SubtreeLocked(top)) PropagateLocked(mount);
}

void MountTable::RemoveTreeLocked(const RefPtr<Mount>& top, std::vector<RefPtr<RefCounted>>* released) {
  for (const auto& mount : SubtreeLocked(top)) {
    UnhookLocked(*mount, released);
    released->push_back(mount);
  }
}

// What is taken off a mount is taken off its receivers too.
void MountTable::RemoveAtReceiversLocked(const Mount& mount, std::vector<RefPtr<RefCounted>>* released) {
  for (const RefPtr<Mount>& receiver : ReceiversLocked(*mount.parent_, *mount.mount_point_)) {
    const auto it = mounted_.find({receiver.get(), mount.mount_point_.get()});
    if (it == mounted_.end() || it->second->root_ != mount.root_ || it->second->locked_) continue;
    const RefPtr<Mount> copy = it->second;
    RemoveTreeLocked(copy, released);
  }
}

bool MountTable::PeersRemainLocked(const Mount& mount) const {
  const auto is_peer = [&](const RefPtr<Mount>& other) {
    return other.get() != &mount && other->peer_group_ == mount.peer_group_;
  };
  for (const auto& [ns, root] : roots_) {
    if (is_peer(root)) return true;
  }
  for (const auto& [key, other] : mounted_) {
    if (is_peer(other)) return true;
  }
  return false;
}

void MountTable::SetKindLocked(Mount& mount, uint64_t kind) {
  mount.unbindable_ = kind == MS_UNBINDABLE;
  if (kind == MS_SHARED) {
    if (mount.peer_group_ == 0) mount.peer_group_ = next_group_++;
    return;
  }
  if (kind == MS_SLAVE) {
    if (mount.peer_group_ == 0) return;
    if (PeersRemainLocked(mount)) mount.master_ = mount.peer_group_;
  } else {
    mount.master_ = 0;
  }
  mount.peer_group_ = 0;
}

Result<void> MountTable::SetPropagation(const Path& target, uint64_t kind, bool recursive) {
  MutexLock l(mu_);
  if (target.dentry != target.mount->root_ || target.mount->namespace_ == 0) return Errno(EINVAL);
  if (!recursive) {
    SetKindLocked(*target.mount, kind);
    return {};
  }
  for (const RefPtr<Mount>& mount : SubtreeLocked(target.mount)) SetKindLocked(*mount, kind);
  return {};
}

Result<void> MountTable::JoinPeers(const Mount& source, Mount& copy) {
  MutexLock l(mu_);
  if (source.unbindable_) return Errno(EINVAL);
  copy.peer_group_ = source.peer_group_;
  copy.master_ = source.master_;
  copy.locked_flags_ = source.locked_flags_;
  return {};
}

std::string MountTable::PropagationText(const Mount& mount) const {
  MutexLock l(mu_);
  std::string text;
  if (mount.peer_group_ != 0) text += "shared:" + std::to_string(mount.peer_group_) + " ";
  if (mount.master_ != 0) text += "master:" + std::to_string(mount.master_) + " ";
  if (mount.unbindable_) text += "unbindable ";
  return text;
}

}  // namespace runsc
