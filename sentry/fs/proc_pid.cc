// The directories /proc/PID, /proc/PID/task and /proc/PID/task/TID, from a table of entries.
#include <dirent.h>

#include "sentry/fs/dir_file.h"
#include "sentry/fs/proc_entries.h"
#include "sentry/fs/proc_pid_dir.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/kernel/pids.h"
#include "sentry/vfs/file.h"

namespace runsc {
namespace {

enum Scope : uint8_t { kBoth, kProcess, kThread };

using ProcMaker = RefPtr<SimpleNode> (*)(SimpleFs& fs, const ProcTarget& target, uint64_t ino);

// A text file, or something `make` makes.
struct ProcEntry {
  const char* name;
  Scope scope;
  uint32_t mode;
  ProcText read = nullptr;
  ProcStore store = nullptr;
  ProcMaker make = nullptr;
};

constexpr ProcEntry Text(const char* name, Scope scope, uint32_t permissions, ProcText read,
                         ProcStore store = nullptr) {
  return {name, scope, S_IFREG | permissions, read, store};
}

constexpr ProcEntry Made(const char* name, Scope scope, uint32_t mode, ProcMaker make) {
  return {name, scope, mode, nullptr, nullptr, make};
}

class ProcFile : public ProcNode<TextNode> {
 public:
  ProcFile(SimpleFs& fs, const ProcTarget& target, const ProcEntry& entry, uint64_t ino)
      : ProcNode(target, fs, entry.mode & 07777, ino), entry_(entry) {}
  Result<std::string> Generate(Task& reader) override { return entry_.read(target_, reader); }
  Result<void> Store(Task& writer, std::string_view text) override {
    return entry_.store != nullptr ? entry_.store(target_, writer, text) : Errno(EINVAL);
  }

 private:
  const ProcEntry& entry_;
};

template <ProcLinkKind kKind>
RefPtr<SimpleNode> MakeLink(SimpleFs& fs, const ProcTarget& target, uint64_t ino) {
  return NewProcLink(fs, target, kKind, ino);
}

RefPtr<SimpleNode> MakeNet(SimpleFs& fs, const ProcTarget& target, uint64_t ino) {
  auto dir = MakeRef<SimpleDir>(fs, 0555, ino);
  AddProcNet(*dir, target);
  return dir;
}

RefPtr<SimpleNode> MakeTaskDir(SimpleFs& fs, const ProcTarget& target, uint64_t ino);

Result<std::string> Cgroup(const ProcTarget&, Task&) { return std::string("0::/\n"); }
Result<std::string> Cpuset(const ProcTarget&, Task&) { return std::string("/\n"); }
Result<std::string> Wchan(const ProcTarget&, Task&) { return std::string("0"); }
Result<std::string> Personality(const ProcTarget& target, Task& reader) {
  TRY(target.CheckMayInspect(reader));
  MutexLock l(target.kernel().task_set_mu());
  return Format("%08x\n", target.group().personality);
}

constexpr ProcEntry kEntries[] = {
    Text("arch_status", kBoth, 0444, &ProcArchStatus),
    Text("auxv", kBoth, 0400, &ProcAuxv),
    Text("cgroup", kBoth, 0444, &Cgroup),
    Text("children", kThread, 0444, &ProcChildren),
    Text("cmdline", kBoth, 0444, &ProcCmdline),
    Text("comm", kBoth, 0644, &ProcComm, &StoreProcComm),
    Text("coredump_filter", kProcess, 0644, &ProcCoredumpFilter, &StoreProcCoredumpFilter),
    Text("cpuset", kBoth, 0444, &Cpuset),
    Made("cwd", kBoth, S_IFLNK | 0777, &MakeLink<ProcLinkKind::kCwd>),
    Text("environ", kBoth, 0400, &ProcEnviron),
    Made("exe", kBoth, S_IFLNK | 0777, &MakeLink<ProcLinkKind::kExe>),
    Made("fd", kBoth, S_IFDIR | 0500, &NewProcFdDir),
    Made("fdinfo", kBoth, S_IFDIR | 0555, &NewProcFdinfoDir),
    Text("gid_map", kBoth, 0644, &ProcGidMap, &StoreProcGidMap),
    Text("io", kBoth, 0400, &ProcIo),
    Text("limits", kBoth, 0444, &ProcLimits),
    Text("loginuid", kBoth, 0644, &ProcLoginuid, &StoreProcLoginuid),
    Text("maps", kBoth, 0444, &ProcMaps),
    Made("mem", kBoth, S_IFREG | 0600, &NewProcMem),
    Text("mountinfo", kBoth, 0444, &ProcMountinfo),
    Text("mounts", kBoth, 0444, &ProcMounts),
    Text("mountstats", kProcess, 0400, &ProcMountstats),
    Made("net", kBoth, S_IFDIR | 0555, &MakeNet),
    Made("ns", kBoth, S_IFDIR | 0511, &NewProcNsDir),
    Text("numa_maps", kBoth, 0444, &ProcNumaMaps),
    Text("oom_adj", kBoth, 0644, &ProcOomAdj, &StoreProcOomAdj),
    Text("oom_score", kBoth, 0444, &ProcOomScore),
    Text("oom_score_adj", kBoth, 0644, &ProcOomScoreAdj, &StoreProcOomScoreAdj),
    Made("pagemap", kBoth, S_IFREG | 0400, &NewProcPagemap),
    Text("personality", kBoth, 0400, &Personality),
    Text("projid_map", kBoth, 0644, &ProcProjidMap, &StoreProcProjidMap),
    Made("root", kBoth, S_IFLNK | 0777, &MakeLink<ProcLinkKind::kRoot>),
    Text("sched", kBoth, 0444, &ProcSched),
    Text("schedstat", kBoth, 0444, &ProcSchedstat),
    Text("sessionid", kBoth, 0444, &ProcSessionid),
    Text("setgroups", kBoth, 0644, &ProcSetgroups, &StoreProcSetgroups),
    Text("smaps", kBoth, 0444, &ProcSmaps),
    Text("smaps_rollup", kBoth, 0444, &ProcSmapsRollup),
    Text("stat", kBoth, 0444, &ProcStat),
    Text("statm", kBoth, 0444, &ProcStatm),
    Text("status", kBoth, 0444, &ProcStatus),
    Made("task", kProcess, S_IFDIR | 0555, &MakeTaskDir),
    Text("timers", kProcess, 0444, &ProcTimers),
    Text("timerslack_ns", kProcess, 0666, &ProcTimerslack, &StoreProcTimerslack),
    Text("uid_map", kBoth, 0644, &ProcUidMap, &StoreProcUidMap),
    Text("wchan", kBoth, 0444, &Wchan),
};

uint64_t InoOf(const ProcTarget& target, const ProcEntry& entry) {
  constexpr uint32_t kStep = 16;  // room for what a directory made from an entry contains
  return ProcIno(target, kStep * (1 + static_cast<uint32_t>(&entry - kEntries)));
}

// Names come and go with the process: none is cached.
class ProcDir : public ProcNode<SimpleNode> {
 public:
  ProcDir(SimpleFs& fs, const ProcTarget& target, uint64_t ino) : ProcNode(target, fs, S_IFDIR | 0555, ino) {}
  bool CachesChildren() const override { return false; }
  Result<RefPtr<Inode>> Create(std::string_view, const NewFile&) override { return Errno(ENOENT); }
  Result<RefPtr<File>> Open(Task&, const Path& path, int flags) override {
    return RefPtr<File>(MakeRef<DirFile>(path, flags));
  }
};

class PidDir : public ProcDir {
 public:
  PidDir(SimpleFs& fs, const ProcTarget& target) : ProcDir(fs, target, ProcIno(target, 1)) {}
  Result<RefPtr<Inode>> Lookup(std::string_view name) override;
  Result<std::vector<DirEntry>> Entries() override;
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override {
    if (!target_.whole_process()) return ProcDir::Open(task, path, flags);
    return RefPtr<File>(MakeRef<ProcPidDirFile>(path, flags, RefPtr<ThreadGroup>(&target_.group())));
  }

 private:
  bool Has(const ProcEntry& entry) const {
    return entry.scope == kBoth || (entry.scope == kProcess) == target_.whole_process();
  }
};

Result<RefPtr<Inode>> PidDir::Lookup(std::string_view name) {
  if (!target_.alive()) return Errno(ENOENT);
  for (const ProcEntry& entry : kEntries) {
    if (name != entry.name || !Has(entry)) continue;
    const uint64_t ino = InoOf(target_, entry);
    if (entry.make != nullptr) return RefPtr<Inode>(entry.make(simple_fs(), target_, ino));
    return RefPtr<Inode>(MakeRef<ProcFile>(simple_fs(), target_, entry, ino));
  }
  return Errno(ENOENT);
}

Result<std::vector<DirEntry>> PidDir::Entries() {
  if (!target_.alive()) return Errno(ENOENT);
  std::vector<DirEntry> entries;
  for (const ProcEntry& entry : kEntries) {
    if (Has(entry)) entries.push_back({InoOf(target_, entry), 0, DirType(entry.mode), entry.name});
  }
  return entries;
}

// /proc/PID/task
class TaskDir : public ProcDir {
 public:
  using ProcDir::ProcDir;
  Result<Attr> GetAttr() override;
  Result<RefPtr<Inode>> Lookup(std::string_view name) override;
  Result<std::vector<DirEntry>> Entries() override;

 private:
  int NumberOf(const Task& task) const;
};

// As its own process knows it.
int TaskDir::NumberOf(const Task& task) const { return PidToGuest(task, task.tid()); }

Result<Attr> TaskDir::GetAttr() {
  Attr attr = TRY(ProcDir::GetAttr());
  attr.nlink = 2 + target_.tasks().size();
  return attr;
}

Result<RefPtr<Inode>> TaskDir::Lookup(std::string_view name) {
  const int tid = ParsePid(name);
  for (const RefPtr<Task>& task : target_.tasks()) {
    if (NumberOf(*task) != tid) continue;
    const ProcTarget thread = ProcTarget::OfThread(RefPtr<ThreadGroup>(&target_.group()), task);
    return RefPtr<Inode>(NewProcPidDir(simple_fs(), thread));
  }
  return Errno(ENOENT);
}

Result<std::vector<DirEntry>> TaskDir::Entries() {
  if (!target_.alive()) return Errno(ENOENT);
  std::vector<DirEntry> entries;
  for (const RefPtr<Task>& task : target_.tasks()) {
    const ProcTarget thread = ProcTarget::OfThread(RefPtr<ThreadGroup>(&target_.group()), task);
    entries.push_back({ProcIno(thread, 1), 0, DT_DIR, std::to_string(NumberOf(*task))});
  }
  return entries;
}

RefPtr<SimpleNode> MakeTaskDir(SimpleFs& fs, const ProcTarget& target, uint64_t ino) {
  return MakeRef<TaskDir>(fs, target, ino);
}

}  // namespace

const char ProcPidDirFile::kKind = 0;

RefPtr<SimpleNode> NewProcPidDir(SimpleFs& fs, const ProcTarget& target) { return MakeRef<PidDir>(fs, target); }

// Fixed entries of procfs have small numbers; 2^24 are reserved for each thread's own, a bit tells them from
// those of the process it leads.
uint64_t ProcIno(const ProcTarget& target, uint32_t index) {
  const auto task = target.task();
  const uint64_t id = task.ok() ? (*task)->tid() : target.group().pid();
  return (id << 25) | (uint64_t{!target.whole_process()} << 24) | index;
}

void SetProcOwner(const ProcTarget& target, Attr& attr) {
  const auto task = target.task();
  if (!task.ok()) return;
  bool dumpable;
  int64_t start_ns;
  {
    MutexLock l(target.kernel().task_set_mu());
    dumpable = target.group().dumpable;
    start_ns = target.group().start_time_ns;
  }
  attr.atime = attr.mtime = attr.ctime = ToTimespec(Kernel::RealtimeNs() - Kernel::MonotonicNs() + start_ns);
  // Directories are world-readable anyway and keep their owner, so that ps can tell whose process it is.
  const bool world_readable_dir = (attr.mode & (S_IFMT | 0555)) == (S_IFDIR | 0555);
  if (!dumpable && !world_readable_dir) return;
  CredentialsRef creds = (*task)->CredsSnapshot();
  attr.uid = creds->euid;
  attr.gid = creds->egid;
}

}  // namespace runsc
