// The root of procfs: the processes, the links to oneself, and what is about the whole machine.
#include "sentry/fs/procfs.h"

#include <dirent.h>
#include <linux/magic.h>

#include "sentry/fs/proc_entries.h"
#include "sentry/fs/proc_sysvipc.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/vfs/file_locks.h"

namespace runsc {
namespace {

class ProcRoot : public SimpleDir {
 public:
  ProcRoot(SimpleFs& fs, Kernel& kernel) : SimpleDir(fs), kernel_(kernel) {}

  Result<Attr> GetAttr() override {
    Attr attr = TRY(SimpleDir::GetAttr());
    attr.nlink += kernel_.ThreadGroups().size();
    return attr;
  }
  Result<RefPtr<Inode>> Lookup(std::string_view name) override {
    if (!IsNumber(name)) return SimpleDir::Lookup(name);
    const int pid = ParsePid(name);
    if (pid < 0) return Errno(ENOENT);
    return RefPtr<Inode>(NewProcPidDir(simple_fs(), TRY(FindProcess(kernel_, pid))));
  }
  // Processes come and go; everything else stays.
  bool RevalidateChild(std::string_view name, Inode*) override { return !IsNumber(name); }

  Result<std::vector<DirEntry>> Entries() override {
    std::vector<DirEntry> entries = TRY(SimpleDir::Entries());
    for (const RefPtr<ThreadGroup>& group : kernel_.ThreadGroups()) {
      entries.push_back({ProcIno(ProcTarget(group), 1), 0, DT_DIR, std::to_string(group->pid())});
    }
    return entries;
  }

 private:
  static bool IsNumber(std::string_view name) { return name[0] >= '0' && name[0] <= '9'; }

  Kernel& kernel_;
};

Result<std::string> SelfTarget(Task& reader) { return std::to_string(reader.pid()); }

Result<std::string> LocksText(Task&) {
  std::string text;
  int number = 0;
  for (const std::string& line : FileLocks::DescribeAll()) {
    text += std::to_string(++number) + ": " + line + "\n";
  }
  return text;
}

Result<std::string> ThreadSelfTarget(Task& reader) {
  return Format("%d/task/%d", reader.pid(), reader.tid());
}

}  // namespace

RefPtr<FileSystem> NewProcfs(Kernel& kernel) {
  auto fs = MakeRef<SimpleFs>(SimpleFs::Kind{"proc", PROC_SUPER_MAGIC, ENOENT});
  auto root = MakeRef<ProcRoot>(*fs, kernel);
  root->Add("self", MakeRef<TextLink>(*fs, &SelfTarget));
  root->Add("thread-self", MakeRef<TextLink>(*fs, &ThreadSelfTarget));
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
