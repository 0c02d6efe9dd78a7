// A handle on a mount namespace: its mounts live as long as somebody holds one.
#pragma once

#include "sentry/vfs/user_namespace.h"
#include "sentry/vfs/vfs.h"

namespace runsc {

inline constexpr uint64_t kFirstMountNamespace = 1;

// References: tasks in it, descriptors of /proc/PID/ns/mnt. The first one has no object: null stands for it.
class MountNamespace : public RefCounted {
 public:
  MountNamespace(RefPtr<Vfs> vfs, uint64_t id, RefPtr<UserNamespace> owner)
      : vfs_(std::move(vfs)), id_(id), owner_(std::move(owner)) {}
  ~MountNamespace() override { vfs_->DropNamespace(id_); }
  uint64_t id() const { return id_; }
  const RefPtr<UserNamespace>& owner() const { return owner_; }

 private:
  const RefPtr<Vfs> vfs_;
  const uint64_t id_;
  const RefPtr<UserNamespace> owner_;
};

}  // namespace runsc
