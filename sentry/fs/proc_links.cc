// /proc/PID/{cwd,root,exe} and ns/: links that lead to objects, whatever their text says.
#include <sched.h>

#include "sentry/fs/ns_file.h"
#include "sentry/fs/proc_entries.h"
#include "sentry/fs/proc_magic.h"
#include "sentry/vfs/file.h"

namespace runsc {
namespace {

class ProcLink : public ProcNode<SimpleNode> {
 public:
  ProcLink(SimpleFs& fs, const ProcTarget& target, ProcLinkKind kind, uint64_t ino)
      : ProcNode(target, fs, S_IFLNK | 0777, ino), kind_(kind) {}
  Result<std::string> Readlink(Task& task) override { return NameOfTarget(TRY(Find(task)), task); }
  Result<std::optional<Path>> MagicLink(Task& task) override { return std::optional<Path>(TRY(Find(task))); }
  Result<RefPtr<File>> Open(Task&, const Path&, int) override { return Errno(ELOOP); }

 private:
  Result<Path> Find(Task& reader) {
    TRY(target_.CheckMayInspect(reader));
    if (kind_ == ProcLinkKind::kExe) return FindExe();
    RefPtr<FsContext> fs = TRY(target_.task())->FsSnapshot();
    if (!fs) return Errno(ENOENT);
    return kind_ == ProcLinkKind::kCwd ? fs->cwd() : fs->root();
  }
  Result<Path> FindExe() {
    RefPtr<MemoryManager> mm = TRY(target_.mm());
    RefPtr<File> exe = mm ? mm->image().exe : nullptr;
    if (!exe || !exe->path()) return Errno(ENOENT);
    return exe->path();
  }

  const ProcLinkKind kind_;
};

struct NsEntry {
  const char* link;
  int flag;
  bool for_children = false;
};

// Not cgroup and time: a program that finds the link (bubblewrap) expects clone(2) to make one, too.
constexpr NsEntry kNamespaces[] = {
    {"ipc", CLONE_NEWIPC},
    {"mnt", CLONE_NEWNS},
    {"net", CLONE_NEWNET},
    {"pid", CLONE_NEWPID},
    {"pid_for_children", CLONE_NEWPID, true},
    {"user", CLONE_NEWUSER},
    {"uts", CLONE_NEWUTS},
};

class NsLink : public SimpleNode {
 public:
  NsLink(SimpleFs& fs, const ProcTarget& target, const NsEntry& entry, uint64_t ino)
      : SimpleNode(fs, S_IFLNK | 0777, ino), target_(target), entry_(entry) {}
  Result<std::string> Readlink(Task& task) override { return NamespaceText(TRY(Handle(task))); }
  Result<std::optional<Path>> MagicLink(Task& task) override {
    return std::optional<Path>(TRY(PathToNamespace(TRY(Handle(task)))));
  }
  Result<RefPtr<File>> Open(Task&, const Path&, int) override { return Errno(ELOOP); }

 private:
  Result<NamespaceHandle> Handle(Task& reader) {
    TRY(target_.CheckMayInspect(reader));
    return HandleOf(entry_.flag, *TRY(target_.task()), entry_.for_children);
  }

  const ProcTarget target_;
  const NsEntry& entry_;
};

}  // namespace

RefPtr<SimpleNode> NewProcLink(SimpleFs& fs, const ProcTarget& target, ProcLinkKind kind, uint64_t ino) {
  return MakeRef<ProcLink>(fs, target, kind, ino);
}

RefPtr<SimpleNode> NewProcNsDir(SimpleFs& fs, const ProcTarget& target, uint64_t ino) {
  auto dir = MakeRef<SimpleDir>(fs, 0511, ino);
  for (const NsEntry& ns : kNamespaces) {
    dir->Add(ns.link, MakeRef<NsLink>(fs, target, ns, ino + 1 + (&ns - kNamespaces)));
  }
  return dir;
}

}  // namespace runsc
