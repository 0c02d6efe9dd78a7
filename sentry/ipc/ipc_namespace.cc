#include "sentry/ipc/ipc_namespace.h"

#include <set>

#include "sentry/kernel/exit_hooks.h"
#include "sentry/kernel/namespaces.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

// Those that somebody used: a process that ends may have left something in any of them.
struct UsedNamespaces {
  Mutex mu{LockRank::kDentry};
  std::set<IpcNamespace*> all ABSL_GUARDED_BY(mu);
};

UsedNamespaces& Used() {
  static UsedNamespaces* const used = new UsedNamespaces;
  return *used;
}

void OnProcessExit(ThreadGroup& process) {
  std::vector<RefPtr<IpcNamespace>> living;
  {
    UsedNamespaces& used = Used();
    MutexLock l(used.mu);
    for (IpcNamespace* ipc : used.all) {
      if (ipc->TryIncRef()) living.push_back(RefPtr<IpcNamespace>::Adopt(ipc));
    }
  }
  for (const auto& ipc : living) {
    ipc->semaphores.OnProcessExit(process);
    ipc->shared_memory.DropUnused();
  }
}

// Made by the first call that needs it, so that a sandbox without System V IPC has none.
IpcNamespace& First(Kernel& kernel) {
  static IpcNamespace* const first = new IpcNamespace(kernel);
  return *first;
}

}  // namespace

IpcNamespace::IpcNamespace(Kernel& kernel) : shared_memory(kernel, limits), semaphores(limits), messages(limits) {
  static const bool listening = (AddProcessExitHook(OnProcessExit), true);
  (void)listening;
  UsedNamespaces& used = Used();
  MutexLock l(used.mu);
  used.all.insert(this);
}

IpcNamespace::~IpcNamespace() {
  UsedNamespaces& used = Used();
  MutexLock l(used.mu);
  used.all.erase(this);
}

RefPtr<RefCounted> IpcNamespace::mqueues() const {
  MutexLock l(mu_);
  return mqueues_;
}

RefPtr<RefCounted> IpcNamespace::KeepMqueues(RefPtr<RefCounted> queues) {
  MutexLock l(mu_);
  if (!mqueues_) mqueues_ = std::move(queues);
  return mqueues_;
}

IpcNamespace& IpcOf(Task& task) {
  const NamespaceSetRef namespaces = NamespacesOf(task);
  PlainNamespace* ns = namespaces->ipc.get();
  if (ns == nullptr) return First(task.kernel());
  RefCounted* state = ns->state();
  if (state == nullptr) state = ns->KeepState(MakeRef<IpcNamespace>(task.kernel()));
  return static_cast<IpcNamespace&>(*state);
}

}  // namespace runsc
