#include "sentry/fs/cgroup_fs.h"

#include <linux/magic.h>

#include "sentry/fs/simple_fs.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/kernel/container_control.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/thread_group.h"

namespace runsc {
namespace {

// What is passed on from outside, by controller. A controller is there when its first file is.
struct Controller {
  const char* name;
  std::vector<const char*> files;
};

const std::vector<Controller>& Controllers() {
  static const auto& controllers = *new std::vector<Controller>{
      {"cpuset", {"cpuset.cpus.effective", "cpuset.mems.effective"}},
      {"cpu", {"cpu.max", "cpu.weight", "cpu.stat"}},
      {"memory",
       {"memory.max", "memory.current", "memory.peak", "memory.high", "memory.low", "memory.min", "memory.swap.max",
        "memory.swap.current", "memory.stat", "memory.events"}},
  };
  return controllers;
}

Result<std::string> Processes(Task& reader, int container) {
  std::string text;
  for (const RefPtr<ThreadGroup>& group : ProcessesOf(reader.kernel(), container)) {
    if (const int pid = PidToGuest(reader, group->pid()); pid != 0) text += Format("%d\n", pid);
  }
  return text;
}

std::string ControllerNames(const CgroupText& text) {
  std::string names;
  for (const Controller& controller : Controllers()) {
    if (text(controller.files[0]).ok()) names += std::string(controller.name) + " ";
  }
  return names + "pids\n";
}

void AddControllers(SimpleDir& root, const CgroupText& text) {
  for (const Controller& controller : Controllers()) {
    for (const char* file : controller.files) {
      if (!text(file).ok()) continue;
      root.AddText(file, [text, name = std::string(file)](Task&) { return text(name); });
    }
  }
}

void AddPids(SimpleDir& root, Kernel& kernel, int container) {
  root.AddText("pids.current", [&kernel, container](Task&) {
    return Result<std::string>(Format("%llu\n", static_cast<unsigned long long>(CountTasks(kernel, container))));
  });
  root.AddText("pids.max", [&kernel, container](Task&) {
    const uint64_t limit = TaskLimit(kernel, container);
    if (limit == kNoTaskLimit) return Result<std::string>(std::string("max\n"));
    return Result<std::string>(Format("%llu\n", static_cast<unsigned long long>(limit)));
  });
}

}  // namespace

RefPtr<FileSystem> NewCgroupFs(Kernel& kernel, int container, CgroupText text) {
  auto fs = MakeRef<SimpleFs>(SimpleFs::Kind{"cgroup2", CGROUP2_SUPER_MAGIC, EACCES});
  auto root = MakeRef<SimpleDir>(*fs);
  root->AddFixed("cgroup.controllers", ControllerNames(text));
  root->AddFixed("cgroup.subtree_control", "\n");
  root->AddFixed("cgroup.type", "domain\n");
  root->AddFixed("cgroup.events", "populated 1\nfrozen 0\n");
  root->AddFixed("cgroup.stat", "nr_descendants 0\nnr_dying_descendants 0\n");
  root->AddText("cgroup.procs", [container](Task& reader) { return Processes(reader, container); });
  AddControllers(*root, text);
  AddPids(*root, kernel, container);
  fs->set_root(std::move(root));
  return fs;
}

}  // namespace runsc
