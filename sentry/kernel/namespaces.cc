#include "sentry/kernel/namespaces.h"

#include <linux/securebits.h>

#include <array>

#include "sentry/kernel/run_state.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

constexpr int kMaxPidNamespaceDepth = 32;

uint64_t NextIno() {
  static std::atomic<uint64_t> next{4026560000};
  return next++;
}

// Anybody may make one who has a name in the current one and is not in a chroot.
Result<RefPtr<UserNamespace>> NewUserNamespace(Task& task) {
  const Credentials& creds = *task.creds();
  const UserNamespace* current = creds.user_ns.get();
  if (current != nullptr && current->level() > kMaxUserNamespaceDepth) return Errno(ENOSPC);
  const Path root = task.fs().root();
  if (!(root == task.vfs().RootOfNamespace(task.vfs().NamespaceOf(root)))) return Errno(EPERM);
  if (!FindGuestId(current, UserNamespace::kUsers, creds.euid) ||
      !FindGuestId(current, UserNamespace::kGroups, creds.egid)) {
    return Errno(EPERM);
  }
  return MakeRef<UserNamespace>(creds.user_ns, creds.euid, creds.egid,
                                current == nullptr || current->allows_setgroups());
}

Result<RefPtr<MountNamespace>> CopyMounts(Task& task, FsContext& fs, const RefPtr<UserNamespace>& owner) {
  const NamespaceSetRef current = NamespacesOf(task);
  const RefPtr<UserNamespace> old_owner = current->mounts ? current->mounts->owner() : nullptr;
  Path root = fs.root(), cwd = fs.cwd();
  std::array<Path*, 2> moved{&root, &cwd};
  auto copy = TRY(task.vfs().CopyNamespace(fs.root(), owner, owner != old_owner, moved));
  fs.set_root(std::move(root));
  fs.set_cwd(std::move(cwd));
  return copy;
}

Result<RefPtr<PidNamespace>> NewPidNamespace(const NamespaceSet& current, const RefPtr<UserNamespace>& owner) {
  const RefPtr<PidNamespace>& parent = current.pid_for_children;
  if (parent && parent->level() >= kMaxPidNamespaceDepth) return Errno(ENOSPC);
  return MakeRef<PidNamespace>(parent, owner);
}

}  // namespace

PlainNamespace::PlainNamespace(RefPtr<UserNamespace> owner) : owner_(std::move(owner)), ino_(NextIno()) {}

PlainNamespace::~PlainNamespace() {
  if (RefCounted* state = state_.load()) state->DecRef();
}

RefCounted* PlainNamespace::KeepState(RefPtr<RefCounted> state) {
  RefCounted* expected = nullptr;
  if (!state_.compare_exchange_strong(expected, state.get(), std::memory_order_acq_rel)) return expected;
  return state.release();
}

RefPtr<NamespaceSet> NamespaceSet::Copy() const {
  auto copy = MakeRef<NamespaceSet>();
  copy->uts = uts, copy->ipc = ipc, copy->net = net, copy->mounts = mounts;
  copy->pid_for_children = pid_for_children;
  return copy;
}

NamespaceSetRef NamespacesOf(const Task& task) {
  static const NamespaceSet* const first = MakeRef<NamespaceSet>().release();
  MutexLock l(task.kernel().task_set_mu());
  const NamespaceSetRef& set = task.run().namespaces;
  return set ? set : NamespaceSetRef(first);
}

void SetNamespaces(Task& task, NamespaceSetRef set) {
  MutexLock l(task.kernel().task_set_mu());
  std::swap(task.run().namespaces, set);
}

RefPtr<PidNamespace> PidNamespaceForChildren(const Task& task) { return NamespacesOf(task)->pid_for_children; }

UtsName UtsOf(const Task& task) {
  const NamespaceSetRef set = NamespacesOf(task);
  return set->uts ? set->uts->names() : task.kernel().uts();
}

bool MaySetUts(const Task& task) {
  const NamespaceSetRef set = NamespacesOf(task);
  return task.creds()->HasIn(set->uts ? set->uts->owner().get() : nullptr, CAP_SYS_ADMIN);
}

Result<void> SetUts(Task& task, UtsName names) {
  if (!MaySetUts(task)) return Errno(EPERM);
  const NamespaceSetRef set = NamespacesOf(task);
  if (set->uts) {
    set->uts->set_names(std::move(names));
  } else {
    task.kernel().set_uts(std::move(names));
  }
  return {};
}

CredentialsRef CredentialsIn(const Credentials& old, RefPtr<UserNamespace> ns) {
  auto creds = old.Copy();
  creds->user_ns = std::move(ns);
  creds->permitted = creds->effective = creds->bounding = kAllCapabilities;
  creds->inheritable = creds->ambient = 0;
  creds->securebits = SECUREBITS_DEFAULT;
  return creds;
}

Result<FreshNamespaces> MakeNamespaces(Task& task, uint64_t flags, FsContext& fs) {
  FreshNamespaces fresh;
  CredentialsRef creds = task.creds();
  if (flags & CLONE_NEWUSER) fresh.creds = creds = CredentialsIn(*creds, TRY(NewUserNamespace(task)));
  const RefPtr<UserNamespace>& owner = creds->user_ns;
  const NamespaceSetRef current = NamespacesOf(task);
  fresh.set = current;
  if (!(flags & kOwnNamespaces & ~uint64_t{CLONE_NEWUSER})) return fresh;
  if (!creds->HasOwn(CAP_SYS_ADMIN)) return Errno(EPERM);
  auto set = current->Copy();
  if (flags & CLONE_NEWUTS) set->uts = MakeRef<UtsNamespace>(owner, UtsOf(task));
  if (flags & CLONE_NEWIPC) set->ipc = MakeRef<PlainNamespace>(owner);
  if (flags & CLONE_NEWNET) set->net = MakeRef<PlainNamespace>(owner);
  if (flags & CLONE_NEWPID) set->pid_for_children = TRY(NewPidNamespace(*current, owner));
  if (flags & CLONE_NEWNS) set->mounts = TRY(CopyMounts(task, fs, owner));
  fresh.set = std::move(set);
  return fresh;
}

}  // namespace runsc
