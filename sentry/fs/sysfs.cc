#include "sentry/fs/sysfs.h"

#include <linux/magic.h>

#include <algorithm>

#include "sentry/fs/simple_fs.h"
#include "sentry/fs/simple_fs_cpus.h"
#include "sentry/fs/simple_fs_host.h"
#include "sentry/fs/simple_fs_text.h"
#include "sentry/fs/sysfs_cache.h"
#include "sentry/kernel/kernel.h"

namespace runsc {
namespace {

std::string List(int first, int count) { return CpuListText(CpuRange(first, count)) + "\n"; }
std::string Mask(int first, int count) { return CpuMaskText(CpuRange(first, count)) + "\n"; }

// One socket, one core per processor: what the guest can rely on.
void AddTopology(SimpleDir& topology, int cpu, int cpus) {
  topology.AddFixed("core_id", Format("%d\n", cpu));
  topology.AddFixed("physical_package_id", "0\n");
  topology.AddFixed("die_id", "0\n");
  topology.AddFixed("die_cpus", Mask(0, cpus));
  topology.AddFixed("die_cpus_list", List(0, cpus));
  topology.AddFixed("core_cpus", Mask(cpu, 1));
  topology.AddFixed("core_cpus_list", Format("%d\n", cpu));
  topology.AddFixed("thread_siblings", Mask(cpu, 1));
  topology.AddFixed("thread_siblings_list", Format("%d\n", cpu));
  topology.AddFixed("core_siblings", Mask(0, cpus));
  topology.AddFixed("core_siblings_list", List(0, cpus));
  topology.AddFixed("package_cpus", Mask(0, cpus));
  topology.AddFixed("package_cpus_list", List(0, cpus));
}

// Whoever shares a cache has neighbouring numbers.
void AddCache(SimpleDir& dir, const CpuCache& cache, int cpu, int cpus) {
  const int sharing = std::min(static_cast<int>(cache.sharing), cpus);
  const int first = cpu / sharing * sharing;
  const int count = std::min(sharing, cpus - first);
  dir.AddFixed("id", Format("%d\n", first / sharing));
  dir.AddFixed("level", Format("%d\n", cache.level));
  dir.AddFixed("type", Format("%s\n", cache.type));
  dir.AddFixed("size", Format("%uK\n", cache.size_kib));
  dir.AddFixed("coherency_line_size", Format("%u\n", cache.line_size));
  dir.AddFixed("ways_of_associativity", Format("%u\n", cache.ways));
  dir.AddFixed("number_of_sets", Format("%u\n", cache.sets));
  dir.AddFixed("shared_cpu_map", Mask(first, count));
  dir.AddFixed("shared_cpu_list", List(first, count));
}

void AddCpus(SimpleDir& cpu_dir, int cpus) {
  for (const char* name : {"online", "possible", "present"}) cpu_dir.AddFixed(name, List(0, cpus));
  cpu_dir.AddFixed("offline", "\n");
  cpu_dir.AddFixed("isolated", "\n");
  cpu_dir.Dir("smt").AddFixed("active", "0\n");
  cpu_dir.Dir("smt").AddFixed("control", "notsupported\n");
  cpu_dir.AddFixed("kernel_max", Format("%d\n", cpus - 1));
  const std::vector<CpuCache> caches = QueryCpuCaches();
  for (int i = 0; i < cpus; ++i) {
    SimpleDir& cpu = cpu_dir.Dir(Format("cpu%d", i));
    AddTopology(cpu.Dir("topology"), i, cpus);
    for (size_t c = 0; c < caches.size(); ++c) {
      AddCache(cpu.Dir("cache").Dir(Format("index%zu", c)), caches[c], i, cpus);
    }
    if (i > 0) cpu.AddFixed("online", "1\n");
    cpu.AddLink("node0", "../../node/node0");
  }
}

Result<std::string> NodeMeminfo(Task&) {
  const std::string host = TRY(ReadHostText("/proc/meminfo"));
  std::string out;
  for (const char* name : {"MemTotal:", "MemFree:"}) {
    const size_t at = host.find(name);
    if (at != std::string::npos) out += "Node 0 " + host.substr(at, host.find('\n', at) + 1 - at);
  }
  return out;
}

void AddNode(SimpleDir& node_dir, int cpus) {
  for (const char* name : {"online", "possible", "has_cpu", "has_memory", "has_normal_memory"}) {
    node_dir.AddFixed(name, "0\n");
  }
  SimpleDir& node = node_dir.Dir("node0");
  node.AddFixed("cpulist", List(0, cpus));
  node.AddFixed("cpumap", Mask(0, cpus));
  node.AddFixed("distance", "10\n");
  for (int i = 0; i < cpus; ++i) node.AddLink(Format("cpu%d", i), Format("../../cpu/cpu%d", i));
  node.AddText("meminfo", &NodeMeminfo);
}

void AddLoopback(SimpleDir& sys) {
  SimpleDir& lo = sys.Dir("devices/virtual/net/lo");
  static constexpr std::pair<const char*, const char*> kFiles[] = {
      {"address", "00:00:00:00:00:00"},
      {"addr_len", "6"},
      {"broadcast", "00:00:00:00:00:00"},
      {"carrier", "1"},
      {"dev_id", "0x0"},
      {"flags", "0x9"},
      {"ifindex", "1"},
      {"iflink", "1"},
      {"mtu", "65536"},
      {"operstate", "unknown"},
      {"tx_queue_len", "1000"},
      {"type", "772"},
  };
  for (const auto& [name, value] : kFiles) lo.AddFixed(name, std::string(value) + "\n");
  for (const char* name : {"rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_errors", "tx_errors"}) {
    lo.Dir("statistics").AddFixed(name, "0\n");
  }
  sys.Dir("class/net").AddLink("lo", "../../devices/virtual/net/lo");
}

// Guests read the time by the host's vDSO: what that counts is the host's choice.
void AddClockSource(SimpleDir& dir) {
  for (const char* name : {"available_clocksource", "current_clocksource"}) {
    const auto text = ReadHostText(std::string("/sys/devices/system/clocksource/clocksource0/") + name);
    if (text.ok()) dir.AddFixed(name, *text);
  }
}

// Huge pages are the host's doing; absent where its settings cannot be read.
void AddHugePages(SimpleDir& mm) {
  for (const char* name : {"enabled", "defrag", "shmem_enabled", "hpage_pmd_size"}) {
    const auto text = ReadHostText(std::string("/sys/kernel/mm/transparent_hugepage/") + name);
    if (text.ok()) mm.Dir("transparent_hugepage").AddFixed(name, *text);
  }
}

}  // namespace

RefPtr<FileSystem> NewSysfs(Kernel& kernel) {
  auto fs = MakeRef<SimpleFs>(SimpleFs::Kind{"sysfs", SYSFS_MAGIC, EACCES, 0755, 4096});
  auto root = MakeRef<SimpleDir>(*fs, 0555);
  AddCpus(root->Dir("devices/system/cpu"), kernel.cpus());
  AddNode(root->Dir("devices/system/node"), kernel.cpus());
  AddClockSource(root->Dir("devices/system/clocksource/clocksource0"));
  AddLoopback(*root);
  AddHugePages(root->Dir("kernel/mm"));
  root->Dir("kernel").AddFixed("uevent_seqnum", "0\n");
  for (const char* path : {"block", "bus", "class/block", "class/tty", "dev/block", "dev/char", "firmware",
                           "hypervisor", "module", "power"}) {
    root->Dir(path);
  }
  root->Dir("fs").Add("cgroup", MakeRef<SimpleDir>(*fs, 0555));  // to mount on
  fs->set_root(std::move(root));
  return fs;
}

}  // namespace runsc
