// /proc/PID/{cwd,root,exe} and ns/: links that lead to objects, whatever their text says.
#include <linux/nsfs.h>
#include <sched.h>

#include "sentry/fs/proc_entries.h"
#include "sentry/fs/proc_magic.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/vfs/file.h"

namespace runsc {
namespace {

class ProcLink : public SimpleNode {
 public:
  ProcLink(SimpleFs& fs, const ProcTarget& target, ProcLinkKind kind, uint64_t ino)
      : SimpleNode(fs, S_IFLNK | 0777, ino), target_(target), kind_(kind) {}
  Result<Attr> GetAttr() override {
    Attr attr = TRY(SimpleNode::GetAttr());
    SetProcOwner(target_, attr);
    return attr;
  }
  Result<std::string> Readlink(Task& task) override {
    const Path path = TRY(Find(task));
    return task.vfs().PathName(path, task.fs().root());
  }
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

  const ProcTarget target_;
  const ProcLinkKind kind_;
};

// The sandbox has one namespace of each kind; the numbers are those of Linux' initial ones.
struct Namespace {
  const char* link;
  const char* kind;
  unsigned ino;
  int clone_flag;
};

constexpr Namespace kNamespaces[] = {
    {"cgroup", "cgroup", 4026531835, CLONE_NEWCGROUP},
    {"ipc", "ipc", 4026531839, CLONE_NEWIPC},
    {"mnt", "mnt", 4026531841, CLONE_NEWNS},
    {"net", "net", 4026531840, CLONE_NEWNET},
    {"pid", "pid", 4026531836, CLONE_NEWPID},
    {"pid_for_children", "pid", 4026531836, CLONE_NEWPID},
    {"time", "time", 4026531834, CLONE_NEWTIME},
    {"time_for_children", "time", 4026531834, CLONE_NEWTIME},
    {"user", "user", 4026531837, CLONE_NEWUSER},
    {"uts", "uts", 4026531838, CLONE_NEWUTS},
};

class NsFile : public File {
 public:
  NsFile(Path path, int flags, const Namespace& ns) : File(std::move(path), flags), ns_(ns) {}
  std::string Describe() const override { return Format("%s:[%u]", ns_.kind, ns_.ino); }
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;

 private:
  const Namespace& ns_;
};

// ioctl_ns(2). Whatever owns the sandbox' namespaces is out of sight.
Result<int64_t> NsFile::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  switch (request) {
    case NS_GET_NSTYPE:
      return int64_t{ns_.clone_flag};
    case NS_GET_USERNS:
    case NS_GET_PARENT:
      return Errno(EPERM);
    case NS_GET_OWNER_UID:
      if (ns_.clone_flag != CLONE_NEWUSER) return Errno(EINVAL);
      TRY(task.CopyOutObject(arg, uid_t{0}));
      return int64_t{0};
    default:
      return Errno(ENOTTY);
  }
}

SimpleFs& NsFs() {
  static auto* const fs = new SimpleFs({"nsfs", 0x6e736673, EPERM});
  return *fs;
}

class NsNode : public SimpleNode {
 public:
  explicit NsNode(const Namespace& ns) : SimpleNode(NsFs(), S_IFREG | 0444, ns.ino), ns_(ns) {}
  Result<RefPtr<File>> Open(Task&, const Path& path, int flags) override {
    return RefPtr<File>(MakeRef<NsFile>(path, flags, ns_));
  }

 private:
  const Namespace& ns_;
};

class NsLink : public SimpleNode {
 public:
  NsLink(SimpleFs& fs, const ProcTarget& target, const Namespace& ns, uint64_t ino)
      : SimpleNode(fs, S_IFLNK | 0777, ino), target_(target), ns_(ns) {}
  Result<std::string> Readlink(Task& task) override {
    TRY(target_.CheckMayInspect(task));
    return Text();
  }
  Result<std::optional<Path>> MagicLink(Task& task) override {
    TRY(target_.CheckMayInspect(task));
    return std::optional<Path>(TRY(PathToUnnamed(MakeRef<NsNode>(ns_), Text())));
  }
  Result<RefPtr<File>> Open(Task&, const Path&, int) override { return Errno(ELOOP); }

 private:
  std::string Text() const { return Format("%s:[%u]", ns_.kind, ns_.ino); }

  const ProcTarget target_;
  const Namespace& ns_;
};

}  // namespace

RefPtr<SimpleNode> NewProcLink(SimpleFs& fs, const ProcTarget& target, ProcLinkKind kind, uint64_t ino) {
  return MakeRef<ProcLink>(fs, target, kind, ino);
}

RefPtr<SimpleNode> NewProcNsDir(SimpleFs& fs, const ProcTarget& target, uint64_t ino) {
  auto dir = MakeRef<SimpleDir>(fs, 0511, ino);
  for (const Namespace& ns : kNamespaces) {
    dir->Add(ns.link, MakeRef<NsLink>(fs, target, ns, ino + 1 + (&ns - kNamespaces)));
  }
  return dir;
}

}  // namespace runsc
