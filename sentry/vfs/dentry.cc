// Names: accessors and release.
#include "sentry/vfs/dentry.h"

#include <vector>

#include "sentry/vfs/dentry_tree.h"

namespace runsc {

Dentry::Dentry(DentryTree& tree, RefPtr<Dentry> parent, std::string name, RefPtr<Inode> inode, uint32_t type)
    : tree_(tree), inode_(std::move(inode)), type_(type), parent_(std::move(parent)), name_(std::move(name)) {}

std::string Dentry::name() const {
  MutexLock l(tree_.mu_);
  return name_;
}

RefPtr<Dentry> Dentry::parent() const {
  MutexLock l(tree_.mu_);
  return parent_ ? parent_ : RefPtr<Dentry>(const_cast<Dentry*>(this));
}

bool Dentry::unlinked() const {
  MutexLock l(tree_.mu_);
  return unlinked_;
}

// A chain of parents held only by each other is released by a loop: a deep tree must not use up the
// small stack of a task's thread.
void Dentry::OnLastRef() {
  thread_local std::vector<Dentry*>* draining = nullptr;
  if (draining != nullptr) {
    draining->push_back(this);
    return;
  }
  std::vector<Dentry*> pending = {this};
  draining = &pending;
  while (!pending.empty()) {
    Dentry* dead = pending.back();
    pending.pop_back();
    dead->tree_.Unhook(*dead);
    delete dead;  // releases the parent, which may land in `pending`
  }
  draining = nullptr;
}

}  // namespace runsc
