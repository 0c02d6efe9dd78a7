// Lists of watches by inode, and the delivery of events to them.
#include "sentry/vfs/notify.h"

#include <algorithm>
#include <string>
#include <unordered_map>

namespace runsc {
namespace {

using WatchLists = std::unordered_map<const Inode*, std::vector<InodeWatch*>>;

WatchLists& Lists() {
  static WatchLists* const lists = new WatchLists;
  return *lists;
}

void Deliver(const Inode& inode, uint32_t mask, uint32_t cookie, std::string_view name) {
  std::vector<RefPtr<Inode>> released;  // after the lock
  MutexLock l(InodeWatch::Lock());
  const auto it = Lists().find(&inode);
  if (it == Lists().end()) return;
  const std::vector<InodeWatch*> watches = it->second;  // one that ends leaves the list
  for (InodeWatch* watch : watches) {
    if ((watch->interest() & mask & IN_ALL_EVENTS) == 0 && !(mask & IN_DELETE_SELF)) continue;
    if (!watch->OnEventLocked(mask, cookie, name)) continue;
    released.push_back(watch->DetachLocked());
    delete watch;
  }
}

}  // namespace

Mutex& InodeWatch::Lock() {
  static Mutex* const mu = new Mutex(LockRank::kFile);
  return *mu;
}

void InodeWatch::AttachLocked(RefPtr<Inode> inode) {
  Lists()[inode.get()].push_back(this);
  inode_ = std::move(inode);
  notify::watch_count.fetch_add(1);
}

RefPtr<Inode> InodeWatch::DetachLocked() {
  const auto it = Lists().find(inode_.get());
  std::erase(it->second, this);
  if (it->second.empty()) Lists().erase(it);
  notify::watch_count.fetch_sub(1);
  return std::move(inode_);
}

namespace notify {

std::atomic<uint32_t> watch_count{0};

void Name(const Inode& dir, std::string_view name, bool is_dir, uint32_t mask, uint32_t cookie) {
  if (!Watched()) return;
  Deliver(dir, mask | (is_dir ? IN_ISDIR : 0u), cookie, name);
}

void Self(const Inode& inode, bool is_dir, uint32_t mask) {
  if (!Watched()) return;
  Deliver(inode, mask | (is_dir ? IN_ISDIR : 0u), 0, "");
}

void Both(const Dentry& dentry, uint32_t mask) {
  if (!Watched()) return;
  const RefPtr<Dentry> parent = dentry.parent();
  if (parent.get() != &dentry) {
    const uint32_t unlinked = dentry.unlinked() ? IN_EXCL_UNLINK : 0u;
    Name(*parent->inode(), dentry.name(), dentry.IsDir(), mask | unlinked);
  }
  Self(*dentry.inode(), dentry.IsDir(), mask);
}

void IfGone(Inode& inode, bool is_dir) {
  if (!Watched() || inode.opens() > 0) return;
  const Result<Attr> attr = inode.GetAttr();
  if (!attr.ok() || (attr->nlink != 0 && !is_dir)) return;
  Deliver(inode, IN_DELETE_SELF, 0, "");
}

uint32_t NewCookie() {
  static std::atomic<uint32_t> next{1};
  return next.fetch_add(1);
}

}  // namespace notify
}  // namespace runsc
