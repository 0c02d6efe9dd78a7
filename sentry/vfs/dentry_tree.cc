// The name cache: lookups that never hold its lock across the inode, and the record of name changes.
#include "sentry/vfs/dentry_tree.h"

namespace runsc {
namespace {

// A directory's memory of absent names is bounded: it is dropped as a whole when it gets this large.
constexpr size_t kMaxNegativeChildren = 512;
constexpr size_t kCrowdedLimit = 4096;

}  // namespace

Result<RefPtr<DentryTree>> DentryTree::New(FileSystem& fs, size_t cache_limit) {
  RefPtr<Inode> inode = fs.root();
  const Attr attr = TRY(inode->GetAttr());
  auto tree = RefPtr<DentryTree>::Adopt(new DentryTree(fs, cache_limit));
  tree->root_ = RefPtr<Dentry>::Adopt(new Dentry(*tree, nullptr, "/", std::move(inode), attr.mode & S_IFMT));
  return tree;
}

DentryTree::~DentryTree() {
  std::list<RefPtr<Dentry>> cache;
  {
    MutexLock l(mu_);
    cache.swap(cache_);
  }
  cache.clear();
  root_.reset();
}

DentryTree::Found DentryTree::FindCached(Dentry& dir, std::string_view name) {
  MutexLock l(mu_);
  const auto it = dir.children_.find(name);
  if (it == dir.children_.end()) return {Probe::kMiss, nullptr, dir.generation_};
  if (it->second == nullptr) return {Probe::kAbsent, nullptr, dir.generation_};
  // One that is being destroyed cannot be taken any more: as good as not there.
  if (!it->second->TryIncRef()) return {Probe::kMiss, nullptr, dir.generation_};
  it->second->used_lately_.store(true, std::memory_order_relaxed);
  return {Probe::kFound, RefPtr<Dentry>::Adopt(it->second), dir.generation_};
}

RefPtr<Dentry> DentryTree::LookupCached(Dentry& dir, std::string_view name) {
  Found found = FindCached(dir, name);
  if (found.probe != Probe::kFound) return nullptr;
  if (!dir.inode()->RevalidateChild(name, found.dentry->inode().get())) return nullptr;
  return std::move(found.dentry);
}

Result<RefPtr<Dentry>> DentryTree::Lookup(Dentry& dir, std::string_view name, std::string_view rest) {
  for (;;) {
    Found found = FindCached(dir, name);
    if (found.probe != Probe::kMiss) {
      Inode* child = found.dentry ? found.dentry->inode().get() : nullptr;
      if (dir.inode()->RevalidateChild(name, child)) {
        if (found.dentry) return std::move(found.dentry);
        return Errno(ENOENT);
      }
      Forget(dir, name, found.dentry.get());
    }
    if (rest.size() > name.size()) dir.inode()->Prefetch(rest);
    bool raced = false;
    auto result = LookupInode(dir, name, found.generation, &raced);
    if (!raced) return result;
  }
}

Result<RefPtr<Dentry>> DentryTree::LookupInode(Dentry& dir, std::string_view name, uint64_t generation, bool* raced) {
  const bool cacheable = dir.inode()->CachesChildren();
  Result<RefPtr<Inode>> inode = dir.inode()->Lookup(name);
  if (!inode.ok()) {
    if (!(inode.error() == Errno(ENOENT)) || !cacheable) return inode.error();
    MutexLock l(mu_);
    if (dir.generation_ == generation) AddNegativeLocked(dir, name);
    return Errno(ENOENT);
  }
  const Attr attr = TRY((*inode)->GetAttr());
  const uint32_t type = attr.mode & S_IFMT;
  if (!cacheable) {
    return RefPtr<Dentry>::Adopt(new Dentry(*this, RefPtr<Dentry>(&dir), std::string(name), std::move(*inode), type));
  }
  RefPtr<Dentry> added;
  {
    MutexLock l(mu_);
    *raced = dir.generation_ != generation;
    if (!*raced) added = AddLocked(dir, name, std::move(*inode), type);
  }
  if (!added) return Errno(ENOENT);
  Keep(added);
  return added;
}

// Null-safe against a child being destroyed: the new dentry takes its place in the map, and Unhook of
// the old one sees that the entry is no longer its own.
RefPtr<Dentry> DentryTree::AddLocked(Dentry& dir, std::string_view name, RefPtr<Inode> inode, uint32_t type) {
  auto [it, inserted] = dir.children_.try_emplace(std::string(name), nullptr);
  if (!inserted && it->second == nullptr) --dir.negative_children_;
  if (it->second != nullptr && it->second->inode_ == inode && it->second->TryIncRef()) {
    return RefPtr<Dentry>::Adopt(it->second);
  }
  it->second = new Dentry(*this, RefPtr<Dentry>(&dir), std::string(name), std::move(inode), type);
  return RefPtr<Dentry>::Adopt(it->second);
}

void DentryTree::AddNegativeLocked(Dentry& dir, std::string_view name) {
  if (dir.negative_children_ >= kMaxNegativeChildren) {
    std::erase_if(dir.children_, [](const auto& entry) { return entry.second == nullptr; });
    dir.negative_children_ = 0;
  }
  auto [it, inserted] = dir.children_.try_emplace(std::string(name), nullptr);
  if (inserted) ++dir.negative_children_;
}

void DentryTree::Forget(Dentry& dir, std::string_view name, Dentry* child) {
  std::list<RefPtr<Dentry>> released;
  MutexLock l(mu_);
  if (child != nullptr) UnkeepLocked(*child, &released);
  const auto it = dir.children_.find(name);
  if (it == dir.children_.end() || it->second != child) return;
  if (child == nullptr) --dir.negative_children_;
  dir.children_.erase(it);
}

Result<RefPtr<Dentry>> DentryTree::Added(Dentry& dir, std::string_view name, RefPtr<Inode> inode) {
  const Attr attr = TRY(inode->GetAttr());
  RefPtr<Dentry> added;
  {
    MutexLock l(mu_);
    ++dir.generation_;
    added = AddLocked(dir, name, std::move(inode), attr.mode & S_IFMT);
  }
  Keep(added);
  return added;
}

void DentryTree::DetachLocked(Dentry& child) {
  if (!child.parent_) return;
  Dentry& dir = *child.parent_;
  ++dir.generation_;
  const auto it = dir.children_.find(child.name_);
  if (it != dir.children_.end() && it->second == &child) dir.children_.erase(it);
}

void DentryTree::AttachLocked(Dentry& child, Dentry& dir, std::string name) {
  ++dir.generation_;
  auto [it, inserted] = dir.children_.try_emplace(name, nullptr);
  if (!inserted && it->second == nullptr) --dir.negative_children_;
  it->second = &child;
  child.name_ = std::move(name);
}

void DentryTree::Removed(Dentry& child) {
  std::list<RefPtr<Dentry>> released;  // after the lock
  MutexLock l(mu_);
  DetachLocked(child);
  UnkeepLocked(child, &released);
  child.unlinked_ = true;
  if (child.parent_ && child.parent_->inode_->CachesChildren()) {
    AddNegativeLocked(*child.parent_, child.name_);
  }
}

void DentryTree::Moved(Dentry& child, Dentry& new_dir, std::string_view new_name, Dentry* replaced) {
  RefPtr<Dentry> old_parent(&new_dir);  // released after the lock
  std::list<RefPtr<Dentry>> released;
  MutexLock l(mu_);
  if (replaced != nullptr) {
    DetachLocked(*replaced);
    UnkeepLocked(*replaced, &released);
    replaced->unlinked_ = true;
  }
  DetachLocked(child);
  AttachLocked(child, new_dir, std::string(new_name));
  std::swap(child.parent_, old_parent);
}

void DentryTree::Exchanged(Dentry& a, Dentry& b) {
  MutexLock l(mu_);
  DetachLocked(a);
  DetachLocked(b);
  const std::string a_name = a.name_, b_name = b.name_;
  AttachLocked(a, *b.parent_, b_name);
  AttachLocked(b, *a.parent_, a_name);
  std::swap(a.parent_, b.parent_);
}

Result<RefPtr<Dentry>> DentryTree::Unnamed(RefPtr<Inode> inode, std::string name) {
  const Attr attr = TRY(inode->GetAttr());
  auto dentry = RefPtr<Dentry>::Adopt(new Dentry(*this, root_, std::move(name), std::move(inode), attr.mode & S_IFMT));
  dentry->unlinked_ = true;
  return dentry;
}

bool DentryTree::IsAncestor(const Dentry& ancestor, const Dentry& dentry) const {
  MutexLock l(mu_);
  for (const Dentry* at = &dentry; at != nullptr; at = at->parent_.get()) {
    if (at == &ancestor) return true;
  }
  return false;
}

void DentryTree::Keep(RefPtr<Dentry> dentry) {
  std::list<RefPtr<Dentry>> entry;
  entry.push_back(dentry);
  std::list<RefPtr<Dentry>> evicted;  // released after the lock
  MutexLock l(mu_);
  if (dentry->kept_ || dentry->unlinked_) return;
  dentry->kept_ = true;
  dentry->cache_position_ = entry.begin();
  cache_.splice(cache_.end(), entry);
  evicted = EvictLocked();
}

void DentryTree::UnkeepLocked(Dentry& dentry, std::list<RefPtr<Dentry>>* out) {
  if (!dentry.kept_) return;
  dentry.kept_ = false;
  out->splice(out->end(), cache_, dentry.cache_position_);
}

// Second chance: what was used since it was last looked at goes to the back, once per pass.
std::list<RefPtr<Dentry>> DentryTree::EvictLocked() {
  std::list<RefPtr<Dentry>> evicted;
  size_t chances = 16;
  const size_t limit = fs_.IsCrowded() ? std::min(cache_limit_, kCrowdedLimit) : cache_limit_;
  while (cache_.size() > limit) {
    auto oldest = cache_.begin();
    const bool used = (*oldest)->used_lately_.exchange(false, std::memory_order_relaxed);
    if (used && chances-- > 0) {
      cache_.splice(cache_.end(), cache_, oldest);
    } else {
      UnkeepLocked(**oldest, &evicted);
    }
  }
  return evicted;
}

void DentryTree::Shrink() {
  std::list<RefPtr<Dentry>> evicted;
  MutexLock l(mu_);
  while (!cache_.empty()) UnkeepLocked(*cache_.front(), &evicted);
}

void DentryTree::set_cache_limit(size_t limit) {
  std::list<RefPtr<Dentry>> evicted;
  MutexLock l(mu_);
  cache_limit_ = limit;
  evicted = EvictLocked();
}

void DentryTree::Unhook(Dentry& dentry) {
  MutexLock l(mu_);
  if (!dentry.parent_) return;
  const auto it = dentry.parent_->children_.find(dentry.name_);
  if (it != dentry.parent_->children_.end() && it->second == &dentry) {
    dentry.parent_->children_.erase(it);
  }
}

}  // namespace runsc
