#include "sentry/fs/ns_file.h"

#include <linux/nsfs.h>
#include <sys/resource.h>

#include "sentry/fs/proc_magic.h"
#include "sentry/fs/simple_fs.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

struct Kind {
  int flag;
  const char* name;
  uint64_t first_ino;  // those of Linux' initial namespaces
};

constexpr Kind kKinds[] = {
    {CLONE_NEWCGROUP, "cgroup", 4026531835}, {CLONE_NEWIPC, "ipc", 4026531839}, {CLONE_NEWNS, "mnt", 4026531841},
    {CLONE_NEWNET, "net", 4026531840},       {CLONE_NEWPID, "pid", 4026531836}, {CLONE_NEWTIME, "time", 4026531834},
    {CLONE_NEWUSER, "user", 4026531837},     {CLONE_NEWUTS, "uts", 4026531838},
};

const Kind& KindOf(int flag) {
  for (const Kind& kind : kKinds) {
    if (kind.flag == flag) return kind;
  }
  return kKinds[0];
}

NamespaceHandle FirstOf(int flag) {
  NamespaceHandle handle;
  handle.flag = flag;
  handle.ino = KindOf(flag).first_ino;
  return handle;
}

void SetPlain(const RefPtr<PlainNamespace>& ns, NamespaceHandle* handle) {
  if (!ns) return;
  handle->ino = ns->ino();
  handle->owner = ns->owner();
  handle->plain = ns;
}

SimpleFs& NsFs() {
  static auto* const fs = new SimpleFs({"nsfs", 0x6e736673, EPERM});
  return *fs;
}

class NsNode : public SimpleNode {
 public:
  explicit NsNode(const NamespaceHandle& handle) : SimpleNode(NsFs(), S_IFREG | 0444, handle.ino), handle_(handle) {}
  Result<RefPtr<File>> Open(Task&, const Path& path, int flags) override {
    return RefPtr<File>(MakeRef<NsFile>(path, flags, handle_));
  }

 private:
  const NamespaceHandle handle_;
};

Result<int64_t> OpenNamespace(Task& task, const NamespaceHandle& handle) {
  RefPtr<File> file = MakeRef<NsFile>(TRY(PathToNamespace(handle)), O_RDONLY, handle);
  return int64_t{TRY(task.fds().Install(std::move(file), true, 0, task.rlimit(RLIMIT_NOFILE)))};
}

// What is outside of the caller's own namespaces is out of sight.
Result<int64_t> OpenOwner(Task& task, const NamespaceHandle& handle) {
  if (handle.is_first()) {
    if (handle.flag == CLONE_NEWUSER || task.creds()->user_ns) return Errno(EPERM);
    return OpenNamespace(task, FirstOf(CLONE_NEWUSER));
  }
  if (!IsWithin(handle.owner.get(), task.creds()->user_ns.get())) return Errno(EPERM);
  return OpenNamespace(task, HandleOf(handle.owner));
}

Result<int64_t> OpenParent(Task& task, const NamespaceHandle& handle) {
  if (handle.flag == CLONE_NEWUSER) return OpenOwner(task, handle);
  if (handle.flag != CLONE_NEWPID) return Errno(EINVAL);
  if (!handle.pid || task.thread_group().pid_ns == handle.pid) return Errno(EPERM);
  return OpenNamespace(task, HandleOf(handle.pid->parent()));
}

}  // namespace

const char NsFile::kKind = 0;

std::string NamespaceText(const NamespaceHandle& handle) {
  return Format("%s:[%lu]", KindOf(handle.flag).name, handle.ino);
}

NamespaceHandle HandleOf(RefPtr<UserNamespace> ns) {
  NamespaceHandle handle = FirstOf(CLONE_NEWUSER);
  if (!ns) return handle;
  handle.ino = ns->ino();
  handle.owner = ns->parent();
  handle.user = std::move(ns);
  return handle;
}

NamespaceHandle HandleOf(RefPtr<PidNamespace> ns) {
  NamespaceHandle handle = FirstOf(CLONE_NEWPID);
  if (!ns) return handle;
  handle.ino = ns->ino();
  handle.owner = ns->owner();
  handle.pid = std::move(ns);
  return handle;
}

NamespaceHandle HandleOf(int flag, Task& task, bool for_children) {
  const NamespaceSetRef set = NamespacesOf(task);
  NamespaceHandle handle = FirstOf(flag);
  if (flag == CLONE_NEWUSER) return HandleOf(task.CredsSnapshot()->user_ns);
  if (flag == CLONE_NEWPID) return HandleOf(for_children ? set->pid_for_children : task.thread_group().pid_ns);
  if (flag == CLONE_NEWIPC) SetPlain(set->ipc, &handle);
  if (flag == CLONE_NEWNET) SetPlain(set->net, &handle);
  if (flag == CLONE_NEWUTS && set->uts) {
    handle.ino = set->uts->ino();
    handle.owner = set->uts->owner();
    handle.uts = set->uts;
  }
  if (flag == CLONE_NEWNS && set->mounts) {
    constexpr uint64_t kFirstIno = 4026570000;
    handle.ino = kFirstIno + set->mounts->id();
    handle.owner = set->mounts->owner();
    handle.mounts = set->mounts;
  }
  return handle;
}

Result<Path> PathToNamespace(const NamespaceHandle& handle) {
  return PathToUnnamed(MakeRef<NsNode>(handle), NamespaceText(handle));
}

// ioctl_ns(2)
Result<int64_t> NsFile::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  switch (request) {
    case NS_GET_NSTYPE:
      return int64_t{handle_.flag};
    case NS_GET_USERNS:
      return OpenOwner(task, handle_);
    case NS_GET_PARENT:
      return OpenParent(task, handle_);
    case NS_GET_OWNER_UID: {
      if (handle_.flag != CLONE_NEWUSER) return Errno(EINVAL);
      const uid_t owner = handle_.user ? handle_.user->owner() : 0;
      TRY(task.CopyOutObject(arg, UidToGuest(task.creds()->user_ns.get(), owner)));
      return int64_t{0};
    }
    default:
      return Errno(ENOTTY);
  }
}

}  // namespace runsc
