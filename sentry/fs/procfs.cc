// The root of procfs: the processes, the links to oneself, and what is about the whole machine.
#include "sentry/fs/procfs.h"

#include <dirent.h>
#include <linux/magic.h>

#include "sentry/fs/proc_entries.h"
#include "sentry/fs/proc_sysvipc.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/kernel/pids.h"
#include "sentry/vfs/file_locks.h"

namespace runsc {
namespace {

class ProcRoot : public SimpleDir {
 public:
  ProcRoot(SimpleFs& fs, Kernel& kernel, RefPtr<PidNamespace> ns)
      : SimpleDir(fs), kernel_(kernel), ns_(std::move(ns)) {}

  Result<Attr> GetAttr() override {
    Attr attr = TRY(SimpleDir::GetAttr());
    attr.nlink += kernel_.ThreadGroups().size();
    return attr;
  }
  Result<RefPtr<Inode>> Lookup(std::string_view name) override {
    if (!IsNumber(name)) return SimpleDir::Lookup(name);
    int pid = ParsePid(name);
    if (pid > 0 && ns_) pid = FromNumber(pid);
    if (pid <= 0) return Errno(ENOENT);
    return RefPtr<Inode>(NewProcPidDir(simple_fs(), TRY(FindProcess(kernel_, pid))));
  }
  // Processes come and go; everything else stays.
  bool RevalidateChild(std::string_view name, Inode*) override { return !IsNumber(name); }

  Result<std::vector<DirEntry>> Entries() override {
    std::vector<DirEntry> entries = TRY(SimpleDir::Entries());
    for (const RefPtr<ThreadGroup>& group : kernel_.ThreadGroups()) {
      const int number = NumberOf(group->pid());
      if (number != 0) entries.push_back({ProcIno(ProcTarget(group), 1), 0, DT_DIR, std::to_string(number)});
    }
    return entries;
  }

 private:
  static bool IsNumber(std::string_view name) { return name[0] >= '0' && name[0] <= '9'; }
  int FromNumber(int number) const {
    MutexLock l(kernel_.task_set_mu());
    return ns_->FindLocked(number);
  }
  int NumberOf(int tid) const {
    if (!ns_) return tid;
    MutexLock l(kernel_.task_set_mu());
    return ns_->NumberLocked(tid);
  }

  Kernel& kernel_;
  const RefPtr<PidNamespace> ns_;  // whose processes it shows, by its numbers
};

// What `ns`, the procfs', calls the sentry's `tid`.
Result<int> NumberIn(const RefPtr<PidNamespace>& ns, Task& reader, int tid) {
  if (!ns) return tid;
  MutexLock l(reader.kernel().task_set_mu());
  const int number = ns->NumberLocked(tid);
  return number != 0 ? Result<int>(number) : Errno(ENOENT);
}

Result<std::string> LocksText(Task&) {
  std::string text;
  int number = 0;
  for (const std::string& line : FileLocks::DescribeAll()) {
    text += std::to_string(++number) + ": " + line + "\n";
  }
  return text;
}

}  // namespace

RefPtr<FileSystem> NewProcfs(Kernel& kernel) { return NewProcfs(kernel, nullptr); }

RefPtr<FileSystem> NewProcfs(Kernel& kernel, RefPtr<PidNamespace> ns) {
  auto fs = MakeRef<SimpleFs>(SimpleFs::Kind{"proc", PROC_SUPER_MAGIC, ENOENT});
  auto root = MakeRef<ProcRoot>(*fs, kernel, ns);
  root->Add("self", MakeRef<TextLink>(*fs, [ns](Task& reader) -> Result<std::string> {
              return std::to_string(TRY(NumberIn(ns, reader, reader.pid())));
            }));
  root->Add("thread-self", MakeRef<TextLink>(*fs, [ns](Task& reader) -> Result<std::string> {
              return Format("%d/task/%d", TRY(NumberIn(ns, reader, reader.pid())),
                            TRY(NumberIn(ns, reader, reader.tid())));
            }));
  root->AddLink("mounts", "self/mounts");
  root->AddLink("net", "self/net");
  root->AddText("locks", &LocksText);
  AddProcMachine(*root);
  AddProcSys(root->Dir("sys"));
  AddProcSysvIpc(root->Dir("sysvipc"));
  fs->set_root(std::move(root));
  return fs;
}

}  // namespace runsc
