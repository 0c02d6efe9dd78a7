// Which namespaces a task is in, and new ones: namespaces(7), clone(2), unshare(2), setns(2).
#pragma once

#include <linux/sched.h>

#include <atomic>
#include <memory>

#include "sentry/kernel/kernel.h"
#include "sentry/kernel/pid_namespace.h"
#include "sentry/vfs/mount_namespace.h"

namespace runsc {

class FsContext;

// The kinds a guest can make. (Cgroup and time namespaces are as if configured out.)
inline constexpr uint64_t kOwnNamespaces =
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

// An IPC or network namespace: an identity, and room for what the subsystem keeps in it.
class PlainNamespace : public RefCounted {
 public:
  explicit PlainNamespace(RefPtr<UserNamespace> owner);
  const RefPtr<UserNamespace>& owner() const { return owner_; }
  uint64_t ino() const { return ino_; }
  // What its subsystem keeps in it, null at first. Whoever sets it first wins; returns what is kept.
  RefCounted* state() const { return state_.load(std::memory_order_acquire); }
  RefCounted* KeepState(RefPtr<RefCounted> state);

 protected:
  ~PlainNamespace() override;

 private:
  const RefPtr<UserNamespace> owner_;
  const uint64_t ino_;
  std::atomic<RefCounted*> state_{nullptr};  // owns a reference
};

class UtsNamespace : public PlainNamespace {
 public:
  UtsNamespace(RefPtr<UserNamespace> owner, UtsName names)
      : PlainNamespace(std::move(owner)), names_(std::move(names)) {}
  UtsName names() const {
    MutexLock l(mu_);
    return names_;
  }
  void set_names(UtsName names) {
    MutexLock l(mu_);
    names_ = std::move(names);
  }

 private:
  mutable Mutex mu_{LockRank::kTask};
  UtsName names_ ABSL_GUARDED_BY(mu_);
};

// Immutable once a task has it; replaced as a whole. A null pointer means the sandbox's first namespace, whose
// state the kernel object keeps. The user namespace is in the credentials.
struct NamespaceSet : public RefCounted {
  RefPtr<UtsNamespace> uts;
  RefPtr<PlainNamespace> ipc, net;
  RefPtr<MountNamespace> mounts;
  RefPtr<PidNamespace> pid_for_children;

  RefPtr<NamespaceSet> Copy() const;
};
using NamespaceSetRef = RefPtr<const NamespaceSet>;

// Never null.
NamespaceSetRef NamespacesOf(const Task& task);
void SetNamespaces(Task& task, NamespaceSetRef set);  // own thread
RefPtr<PidNamespace> PidNamespaceForChildren(const Task& task);

// The names of the machine as `task` sees them.
UtsName UtsOf(const Task& task);
bool MaySetUts(const Task& task);
// EPERM without CAP_SYS_ADMIN over them.
Result<void> SetUts(Task& task, UtsName names);

// What clone or unshare with these CLONE_NEW* flags gives. `fs` is moved to the new mount tree.
struct FreshNamespaces {
  NamespaceSetRef set;
  CredentialsRef creds;  // null: unchanged
};
Result<FreshNamespaces> MakeNamespaces(Task& task, uint64_t flags, FsContext& fs);
// All rights in `ns`, as its first process or one that entered it has them.
CredentialsRef CredentialsIn(const Credentials& old, RefPtr<UserNamespace> ns);

}  // namespace runsc
