// What linux.resources means in cgroup v1 and v2.
#include "runsc-cli/cgroup/settings.h"

#include <algorithm>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

// Engines written in Go send 0 for "not given" where 0 would make no sense.
template <typename T>
std::optional<T> NonZero(const std::optional<T>& number) {
  return number.value_or(0) == 0 ? std::nullopt : number;
}

class SettingList {
 public:
  void Add(std::string_view controller, std::string file, std::string value) {
    out_.settings.push_back({std::string(controller), std::move(file), std::move(value)});
  }
  template <typename T>
  void AddNumber(std::string_view controller, std::string file, const std::optional<T>& number) {
    if (number) Add(controller, std::move(file), Cat(*number));
  }
  void AddText(std::string_view controller, std::string file, const std::string& text) {
    if (!text.empty()) Add(controller, std::move(file), text);
  }
  // v2's files say "max" for no limit.
  void AddLimit(std::string_view controller, std::string file, const std::optional<int64_t>& limit) {
    if (limit) Add(controller, std::move(file), *limit < 0 ? "max" : Cat(*limit));
  }
  void Warn(std::string_view field, std::string_view version) {
    out_.warnings.push_back(Cat("linux.resources.", field, ": has no meaning in cgroup ", version));
  }
  CgroupSettings Take() { return std::move(out_); }

 private:
  CgroupSettings out_;
};

std::string DeviceLine(const BlockDeviceValue& device, std::string_view key = "") {
  return Cat(device.major, ":", device.minor, " ", key, device.value);
}

void AddDeviceLines(SettingList& list, std::string_view controller, std::string_view file,
                    const std::vector<BlockDeviceValue>& devices, std::string_view key = "") {
  for (const BlockDeviceValue& device : devices) list.Add(controller, std::string(file), DeviceLine(device, key));
}

void AddHugepages(SettingList& list, std::string_view suffix, const std::vector<HugepageLimit>& limits) {
  for (const HugepageLimit& limit : limits) {
    list.Add("hugetlb", Cat("hugetlb.", limit.page_size, suffix), Cat(limit.limit));
  }
}

void AddRdma(SettingList& list, const std::map<std::string, RdmaLimit>& limits) {
  for (const auto& [device, limit] : limits) {
    std::string line = device;
    if (limit.handles) line += Cat(" hca_handle=", *limit.handles);
    if (limit.objects) line += Cat(" hca_object=", *limit.objects);
    list.Add("rdma", "rdma.max", std::move(line));
  }
}

void AddPids(SettingList& list, const std::optional<int64_t>& limit) {
  if (!limit || *limit == 0) return;  // 0: not given, as old engines write it
  list.AddLimit("pids", "pids.max", *limit < 0 ? -1 : HostTaskLimit(*limit));
}

void AddMemoryV1(SettingList& list, const MemoryResources& memory) {
  list.AddNumber("memory", "memory.limit_in_bytes", NonZero(memory.limit));
  list.AddNumber("memory", "memory.memsw.limit_in_bytes", NonZero(memory.swap));
  list.AddNumber("memory", "memory.soft_limit_in_bytes", NonZero(memory.reservation));
  list.AddNumber("memory", "memory.kmem.tcp.limit_in_bytes", NonZero(memory.kernel_tcp));
  list.AddNumber("memory", "memory.swappiness", memory.swappiness);
  if (memory.disable_oom_killer) list.Add("memory", "memory.oom_control", *memory.disable_oom_killer ? "1" : "0");
  if (NonZero(memory.kernel)) list.Warn("memory.kernel", "v1 of current kernels");
}

void AddCpuV1(SettingList& list, const CpuResources& cpu) {
  list.AddNumber("cpu", "cpu.shares", NonZero(cpu.shares));
  list.AddNumber("cpu", "cpu.cfs_period_us", NonZero(cpu.period));
  list.AddNumber("cpu", "cpu.cfs_quota_us", NonZero(cpu.quota));
  list.AddNumber("cpu", "cpu.cfs_burst_us", cpu.burst);
  list.AddNumber("cpu", "cpu.rt_period_us", NonZero(cpu.realtime_period));
  list.AddNumber("cpu", "cpu.rt_runtime_us", NonZero(cpu.realtime_runtime));
  list.AddNumber("cpu", "cpu.idle", cpu.idle);
  list.AddText("cpuset", "cpuset.cpus", cpu.cpus);
  list.AddText("cpuset", "cpuset.mems", cpu.mems);
}

void AddBlockV1(SettingList& list, const BlockResources& block) {
  list.AddNumber("blkio", "blkio.weight", NonZero(block.weight));
  list.AddNumber("blkio", "blkio.leaf_weight", NonZero(block.leaf_weight));
  AddDeviceLines(list, "blkio", "blkio.weight_device", block.device_weights);
  AddDeviceLines(list, "blkio", "blkio.leaf_weight_device", block.device_leaf_weights);
  AddDeviceLines(list, "blkio", "blkio.throttle.read_bps_device", block.read_bps);
  AddDeviceLines(list, "blkio", "blkio.throttle.write_bps_device", block.write_bps);
  AddDeviceLines(list, "blkio", "blkio.throttle.read_iops_device", block.read_iops);
  AddDeviceLines(list, "blkio", "blkio.throttle.write_iops_device", block.write_iops);
}

void AddNetworkV1(SettingList& list, const NetworkResources& network) {
  list.AddNumber("net_cls", "net_cls.classid", network.class_id);
  for (const auto& [name, priority] : network.priorities) {
    list.Add("net_prio", "net_prio.ifpriomap", Cat(name, " ", priority));
  }
}

// v2 limits swap alone, the spec memory and swap together.
absl::Status AddSwapV2(SettingList& list, const MemoryResources& memory) {
  if (!memory.swap || *memory.swap == 0) return absl::OkStatus();
  if (*memory.swap < 0) {
    list.Add("memory", "memory.swap.max", "max");
    return absl::OkStatus();
  }
  if (!memory.limit || *memory.limit <= 0) {
    return InvalidArgument("linux.resources.memory.swap: needs memory.limit too");
  }
  if (*memory.swap < *memory.limit) {
    return InvalidArgument("linux.resources.memory.swap: ", *memory.swap, " is below memory.limit ", *memory.limit);
  }
  list.Add("memory", "memory.swap.max", Cat(*memory.swap - *memory.limit));
  return absl::OkStatus();
}

absl::Status AddMemoryV2(SettingList& list, const MemoryResources& memory) {
  list.AddLimit("memory", "memory.max", NonZero(memory.limit));
  list.AddLimit("memory", "memory.low", NonZero(memory.reservation));
  if (memory.swappiness) list.Warn("memory.swappiness", "v2");
  if (memory.disable_oom_killer.value_or(false)) list.Warn("memory.disableOOMKiller", "v2");
  if (NonZero(memory.kernel)) list.Warn("memory.kernel", "v2");
  if (NonZero(memory.kernel_tcp)) list.Warn("memory.kernelTCP", "v2");
  return AddSwapV2(list, memory);
}

void AddCpuV2(SettingList& list, const CpuResources& cpu) {
  if (cpu.shares.value_or(0) != 0) list.Add("cpu", "cpu.weight", Cat(CpuWeight(*cpu.shares)));
  if (NonZero(cpu.quota) || NonZero(cpu.period)) {
    const std::string quota = cpu.quota.value_or(-1) > 0 ? Cat(*cpu.quota) : "max";
    list.Add("cpu", "cpu.max", cpu.period.value_or(0) == 0 ? quota : Cat(quota, " ", *cpu.period));
  }
  list.AddNumber("cpu", "cpu.max.burst", cpu.burst);
  list.AddNumber("cpu", "cpu.idle", cpu.idle);
  list.AddText("cpuset", "cpuset.cpus", cpu.cpus);
  list.AddText("cpuset", "cpuset.mems", cpu.mems);
  if (NonZero(cpu.realtime_runtime) || NonZero(cpu.realtime_period))
    list.Warn("cpu.realtimeRuntime and realtimePeriod", "v2");
}

void AddBlockV2(SettingList& list, const BlockResources& block) {
  if (block.weight.value_or(0) != 0) list.Add("io", "io.weight", Cat("default ", IoWeight(*block.weight)));
  for (const BlockDeviceValue& d : block.device_weights) {
    list.Add("io", "io.weight", Cat(d.major, ":", d.minor, " ", IoWeight(d.value)));
  }
  AddDeviceLines(list, "io", "io.max", block.read_bps, "rbps=");
  AddDeviceLines(list, "io", "io.max", block.write_bps, "wbps=");
  AddDeviceLines(list, "io", "io.max", block.read_iops, "riops=");
  AddDeviceLines(list, "io", "io.max", block.write_iops, "wiops=");
  if (NonZero(block.leaf_weight) || !block.device_leaf_weights.empty()) list.Warn("blockIO.leafWeight", "v2");
}

}  // namespace

constexpr int64_t kHostTasksPerTask = 3, kOwnHostTasks = 64;

int64_t HostTaskLimit(int64_t limit) { return std::min<int64_t>(limit, INT32_MAX) * kHostTasksPerTask + kOwnHostTasks; }

int64_t GuestTaskLimit(int64_t host_limit) {
  return std::max<int64_t>(host_limit - kOwnHostTasks, 0) / kHostTasksPerTask;
}

uint64_t CpuWeight(uint64_t shares) {
  const uint64_t bounded = std::clamp<uint64_t>(shares, 2, 262144);
  return 1 + (bounded - 2) * 9999 / 262142;
}

uint64_t IoWeight(uint64_t blkio_weight) {
  const uint64_t bounded = std::clamp<uint64_t>(blkio_weight, 10, 1000);
  return 1 + (bounded - 10) * 9999 / 990;
}

absl::StatusOr<CgroupSettings> SettingsV1(const SpecResources& resources) {
  SettingList list;
  AddMemoryV1(list, resources.memory);
  AddCpuV1(list, resources.cpu);
  AddPids(list, resources.pids_limit);
  AddBlockV1(list, resources.block);
  AddHugepages(list, ".limit_in_bytes", resources.hugepages);
  AddNetworkV1(list, resources.network);
  AddRdma(list, resources.rdma);
  if (!resources.unified.empty()) {
    return InvalidArgument("linux.resources.unified: this host's controllers are in cgroup v1");
  }
  return list.Take();
}

absl::StatusOr<CgroupSettings> SettingsV2(const SpecResources& resources) {
  SettingList list;
  RETURN_IF_ERROR(AddMemoryV2(list, resources.memory));
  AddCpuV2(list, resources.cpu);
  AddPids(list, resources.pids_limit);
  AddBlockV2(list, resources.block);
  AddHugepages(list, ".max", resources.hugepages);
  AddRdma(list, resources.rdma);
  if (resources.network.class_id || !resources.network.priorities.empty()) list.Warn("network", "v2");
  for (const auto& [file, value] : resources.unified) list.Add(file.substr(0, file.find('.')), file, value);
  return list.Take();
}

}  // namespace runsc
