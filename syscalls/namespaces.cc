// Namespaces: unshare(2), setns(2), pivot_root(2).
#include "sentry/kernel/namespaces.h"

#include "sentry/fs/ns_file.h"
#include "sentry/fs/pidfd.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/task.h"
#include "syscalls/copy_path.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

bool IsSingleThreaded(Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  return task.thread_group().tasks.size() == 1;
}

// One step of setns: what changes, collected until every step was allowed.
struct Entering {
  RefPtr<Credentials> creds;
  RefPtr<NamespaceSet> set;
  std::optional<Path> root;
};

Result<void> EnterUser(Task& task, const RefPtr<UserNamespace>& ns, Entering& in) {
  if (ns == task.creds()->user_ns) return Errno(EINVAL);
  if (!IsSingleThreaded(task) || task.fs().ref_count() > 1) return Errno(EINVAL);
  if (!in.creds->HasIn(ns.get(), CAP_SYS_ADMIN)) return Errno(EPERM);
  const CredentialsRef entered = CredentialsIn(*in.creds, ns);
  in.creds = entered->Copy();
  return {};
}

Result<void> EnterMounts(Task& task, const NamespaceHandle& handle, Entering& in) {
  if (!in.creds->HasOwn(CAP_SYS_CHROOT)) return Errno(EPERM);
  if (task.fs().ref_count() > 1) return Errno(EINVAL);
  in.set->mounts = handle.mounts;
  in.root = task.vfs().RootOfNamespace(handle.mounts ? handle.mounts->id() : kFirstMountNamespace);
  return in.root->mount ? Result<void>() : Errno(EINVAL);
}

// Only down the tree: a process never leaves its pid namespace.
Result<void> EnterPid(Task& task, const RefPtr<PidNamespace>& ns, Entering& in) {
  const PidNamespace* own = task.thread_group().pid_ns.get();
  const PidNamespace* up = ns.get();
  while (up != nullptr && up != own) up = up->parent().get();
  if (up != own) return Errno(EINVAL);
  in.set->pid_for_children = ns;
  return {};
}

Result<void> Enter(Task& task, const NamespaceHandle& handle, Entering& in) {
  if (handle.flag == CLONE_NEWUSER) return EnterUser(task, handle.user, in);
  if (!in.creds->HasIn(handle.owner.get(), CAP_SYS_ADMIN) || !in.creds->HasOwn(CAP_SYS_ADMIN)) return Errno(EPERM);
  switch (handle.flag) {
    case CLONE_NEWNS:
      return EnterMounts(task, handle, in);
    case CLONE_NEWPID:
      return EnterPid(task, handle.pid, in);
    case CLONE_NEWUTS:
      in.set->uts = handle.uts;
      return {};
    case CLONE_NEWIPC:
      in.set->ipc = handle.plain;
      return {};
    case CLONE_NEWNET:
      in.set->net = handle.plain;
      return {};
    default:
      return {};  // the only one of its kind
  }
}

void Commit(Task& task, Entering in) {
  if (in.root) {
    task.fs().set_root(*in.root);
    task.fs().set_cwd(*in.root);
  }
  SetNamespaces(task, std::move(in.set));
  if (in.creds->user_ns != task.creds()->user_ns) task.SetCreds(std::move(in.creds));
}

// A descriptor of a process means its namespaces of the kinds asked for, of which user comes first.
Result<std::vector<NamespaceHandle>> HandlesOf(Task& task, File& file, int flags) {
  std::vector<NamespaceHandle> handles;
  if (NsFile* ns = FileAs<NsFile>(file)) {
    if (flags != 0 && flags != ns->handle().flag) return Errno(EINVAL);
    handles.push_back(ns->handle());
    return handles;
  }
  PidFile* pidfd = FileAs<PidFile>(file);
  if (pidfd == nullptr) return Errno(EINVAL);
  constexpr int kKinds[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWUTS,    CLONE_NEWIPC,
                            CLONE_NEWPID,  CLONE_NEWNET, CLONE_NEWCGROUP, CLONE_NEWTIME};
  int known = 0;
  for (const int kind : kKinds) known |= kind;
  if (flags == 0 || (flags & ~known)) return Errno(EINVAL);
  RefPtr<Task> target;
  {
    MutexLock l(task.kernel().task_set_mu());
    if (!pidfd->process().tasks.empty()) target = RefPtr<Task>(pidfd->process().tasks.front());
  }
  if (!target) return Errno(ESRCH);
  for (const int kind : kKinds) {
    if (flags & kind) handles.push_back(HandleOf(kind, *target));
  }
  return handles;
}

// Everybody whose root or working directory was the old root goes along.
void FollowRoot(Kernel& kernel, const Path& from, const Path& to) {
  std::vector<RefPtr<FsContext>> contexts;
  for (const RefPtr<ThreadGroup>& group : kernel.ThreadGroups()) {
    std::vector<RefPtr<Task>> tasks;
    {
      MutexLock l(kernel.task_set_mu());
      for (Task* task : group->tasks) tasks.emplace_back(task);
    }
    for (const auto& task : tasks) {
      if (RefPtr<FsContext> fs = task->FsSnapshot()) contexts.push_back(std::move(fs));
    }
  }
  for (const auto& fs : contexts) {
    if (fs->root() == from) fs->set_root(to);
    if (fs->cwd() == from) fs->set_cwd(to);
  }
}

}  // namespace

// unshare(2)
SyscallResult SysUnshare(Task& task, uint64_t flags) {
  constexpr uint64_t kSplits = CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
  if (flags & ~(kOwnNamespaces | kSplits)) return Errno(EINVAL);
  if (flags & CLONE_NEWUSER) flags |= CLONE_THREAD | CLONE_FS;
  if (flags & CLONE_NEWNS) flags |= CLONE_FS;
  if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) && !IsSingleThreaded(task)) return Errno(EINVAL);
  RefPtr<FsContext> fs = (flags & CLONE_FS) ? task.fs().Fork() : RefPtr<FsContext>(&task.fs());
  FreshNamespaces fresh = TRY(MakeNamespaces(task, flags, *fs));
  if (flags & CLONE_FS) task.SetFs(std::move(fs));
  if (flags & CLONE_FILES) task.SetFds(task.fds().Fork());
  if (flags & kOwnNamespaces) SetNamespaces(task, std::move(fresh.set));
  if (fresh.creds) task.SetCreds(std::move(fresh.creds));
  return int64_t{0};
}

// setns(2)
SyscallResult SysSetns(Task& task, int fd, int flags) {
  RefPtr<File> file = TRY(task.fds().Get(fd));
  const std::vector<NamespaceHandle> handles = TRY(HandlesOf(task, *file, flags));
  Entering in{task.creds()->Copy(), NamespacesOf(task)->Copy(), std::nullopt};
  for (const NamespaceHandle& handle : handles) TRY(Enter(task, handle, in));
  Commit(task, std::move(in));
  return int64_t{0};
}

// pivot_root(2)
SyscallResult SysPivotRoot(Task& task, GuestAddr new_addr, GuestAddr old_addr) {
  const NamespaceSetRef set = NamespacesOf(task);
  if (!task.creds()->HasIn(set->mounts ? set->mounts->owner().get() : nullptr, CAP_SYS_ADMIN)) return Errno(EPERM);
  const Path new_root = TRY(LookupAt(task, AT_FDCWD, new_addr, 0));
  const Path put_old = TRY(LookupAt(task, AT_FDCWD, old_addr, 0));
  if (!new_root.dentry->IsDir() || !put_old.dentry->IsDir()) return Errno(ENOTDIR);
  const Path old_root = task.fs().root();
  TRY(task.vfs().PivotRoot(new_root, put_old, old_root));
  FollowRoot(task.kernel(), old_root, new_root);
  return int64_t{0};
}

}  // namespace runsc
