// Cgroup statistics.
#include "runsc-cli/cgroup/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "nlohmann/json.hpp"
#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/cgroup.h"

namespace runsc {
namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kMaxFile = 4 << 20;

class Reader {
 public:
  explicit Reader(const CgroupPaths& paths) : paths_(paths) {}

  std::string Text(const std::string& controller, std::string_view file) const {
    const absl::StatusOr<std::string> text = ReadFileAt(AT_FDCWD, CgroupFile(paths_, controller, file), kMaxFile);
    return text.ok() ? *text : std::string();
  }
  // A file of one number; "max" is no limit, a missing file 0.
  uint64_t Number(const std::string& controller, std::string_view file) const {
    const std::string text = Text(controller, file);
    const std::string_view line = Split(text, '\n')[0];
    return line == "max" ? kNoCgroupLimit : ParseNumber<uint64_t>(line).value_or(0);
  }
  // Lines "KEY NUMBER".
  std::map<std::string, uint64_t> Table(const std::string& controller, std::string_view file) const {
    std::map<std::string, uint64_t> table;
    const std::string text = Text(controller, file);
    for (std::string_view line : Split(text, '\n')) {
      const auto words = Split(line, ' ');
      if (words.size() == 2) table[std::string(words[0])] = ParseNumber<uint64_t>(words[1]).value_or(0);
    }
    return table;
  }

 private:
  const CgroupPaths& paths_;
};

uint64_t Get(const std::map<std::string, uint64_t>& table, const char* key) {
  const auto found = table.find(key);
  return found == table.end() ? 0 : found->second;
}

uint64_t OomKills(const Reader& read, bool v2) {
  return Get(read.Table("memory", v2 ? "memory.events" : "memory.oom_control"), "oom_kill");
}

CpuStats ReadCpuV1(const Reader& read) {
  constexpr uint64_t kNsPerTick = 10'000'000;  // USER_HZ is 100
  CpuStats cpu;
  cpu.total_ns = read.Number("cpuacct", "cpuacct.usage");
  const std::string per_cpu = read.Text("cpuacct", "cpuacct.usage_percpu");
  for (std::string_view word : Split(per_cpu, ' ')) {
    if (const auto ns = ParseNumber<uint64_t>(word)) cpu.per_cpu_ns.push_back(*ns);
  }
  const auto ticks = read.Table("cpuacct", "cpuacct.stat");
  cpu.user_ns = Get(ticks, "user") * kNsPerTick;
  cpu.kernel_ns = Get(ticks, "system") * kNsPerTick;
  const auto stat = read.Table("cpu", "cpu.stat");
  cpu.periods = Get(stat, "nr_periods");
  cpu.throttled_periods = Get(stat, "nr_throttled");
  cpu.throttled_ns = Get(stat, "throttled_time");
  return cpu;
}

CpuStats ReadCpuV2(const Reader& read) {
  const auto stat = read.Table("cpu", "cpu.stat");
  CpuStats cpu;
  cpu.total_ns = Get(stat, "usage_usec") * 1000;
  cpu.user_ns = Get(stat, "user_usec") * 1000;
  cpu.kernel_ns = Get(stat, "system_usec") * 1000;
  cpu.periods = Get(stat, "nr_periods");
  cpu.throttled_periods = Get(stat, "nr_throttled");
  cpu.throttled_ns = Get(stat, "throttled_usec") * 1000;
  return cpu;
}

MemoryUse ReadUseV1(const Reader& read, const std::string& controller, const std::string& prefix) {
  return {read.Number(controller, prefix + ".usage_in_bytes"), read.Number(controller, prefix + ".limit_in_bytes"),
          read.Number(controller, prefix + ".max_usage_in_bytes"), read.Number(controller, prefix + ".failcnt")};
}

MemoryStats ReadMemoryV1(const Reader& read) {
  MemoryStats memory;
  memory.memory = ReadUseV1(read, "memory", "memory");
  memory.swap = ReadUseV1(read, "memory", "memory.memsw");
  memory.kernel = ReadUseV1(read, "memory", "memory.kmem");
  memory.kernel_tcp = ReadUseV1(read, "memory", "memory.kmem.tcp");
  memory.raw = read.Table("memory", "memory.stat");
  memory.cache = Get(memory.raw, "cache");
  memory.oom_kills = OomKills(read, false);
  return memory;
}

MemoryStats ReadMemoryV2(const Reader& read) {
  MemoryStats memory;
  const auto events = read.Table("memory", "memory.events");
  memory.memory = {read.Number("memory", "memory.current"), read.Number("memory", "memory.max"),
                   read.Number("memory", "memory.peak"), Get(events, "max")};
  memory.swap = memory.memory;
  memory.swap.usage += read.Number("memory", "memory.swap.current");
  const uint64_t swap_limit = read.Number("memory", "memory.swap.max");
  const bool unlimited = swap_limit == kNoCgroupLimit || memory.memory.limit == kNoCgroupLimit;
  memory.swap.limit = unlimited ? kNoCgroupLimit : memory.memory.limit + swap_limit;
  memory.raw = read.Table("memory", "memory.stat");
  memory.cache = Get(memory.raw, "file");
  memory.oom_kills = Get(events, "oom_kill");
  return memory;
}

// Lines "8:0 Read 4096".
std::vector<BlockEntry> ReadBlockV1(const Reader& read, std::string_view file) {
  std::vector<BlockEntry> entries;
  const std::string text = read.Text("blkio", file);
  for (std::string_view line : Split(text, '\n')) {
    const auto words = Split(line, ' ');
    const auto device = Split(words[0], ':');
    if (words.size() != 3 || device.size() != 2) continue;
    entries.push_back({ParseNumber<uint64_t>(device[0]).value_or(0), ParseNumber<uint64_t>(device[1]).value_or(0),
                       ParseNumber<uint64_t>(words[2]).value_or(0), std::string(words[1])});
  }
  return entries;
}

// Lines "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...".
void ReadBlockV2(const Reader& read, CgroupStats& stats) {
  const std::string text = read.Text("io", "io.stat");
  for (std::string_view line : Split(text, '\n')) {
    const auto words = Split(line, ' ');
    const auto device = Split(words[0], ':');
    if (device.size() != 2) continue;
    const uint64_t major = ParseNumber<uint64_t>(device[0]).value_or(0),
                   minor = ParseNumber<uint64_t>(device[1]).value_or(0);
    for (std::string_view word : words) {
      const auto pair = Split(word, '=');
      if (pair.size() != 2) continue;
      const uint64_t value = ParseNumber<uint64_t>(pair[1]).value_or(0);
      if (pair[0] == "rbytes") stats.io_bytes.push_back({major, minor, value, "Read"});
      if (pair[0] == "wbytes") stats.io_bytes.push_back({major, minor, value, "Write"});
      if (pair[0] == "rios") stats.io_operations.push_back({major, minor, value, "Read"});
      if (pair[0] == "wios") stats.io_operations.push_back({major, minor, value, "Write"});
    }
  }
}

std::vector<std::string> HugepageSizes() {
  std::vector<std::string> sizes;
  for (const DirectoryEntry& entry : ListDirectory(AT_FDCWD, "/sys/kernel/mm/hugepages")) {
    std::string_view name = entry.name;
    if (!ConsumePrefix(name, "hugepages-") || !ConsumeSuffix(name, "kB")) continue;
    const uint64_t kb = ParseNumber<uint64_t>(name).value_or(0);
    sizes.push_back(kb >= 1 << 20 ? Cat(kb >> 20, "GB") : kb >= 1 << 10 ? Cat(kb >> 10, "MB") : Cat(kb, "KB"));
  }
  return sizes;
}

void ReadHugetlb(const Reader& read, bool v2, CgroupStats& stats) {
  for (const std::string& size : HugepageSizes()) {
    const std::string prefix = Cat("hugetlb.", size);
    if (read.Text("hugetlb", prefix + (v2 ? ".current" : ".usage_in_bytes")).empty()) continue;
    stats.hugetlb[size] =
        v2 ? MemoryUse{read.Number("hugetlb", prefix + ".current"), read.Number("hugetlb", prefix + ".max"), 0,
                       Get(read.Table("hugetlb", prefix + ".events"), "max")}
           : ReadUseV1(read, "hugetlb", prefix);
  }
}

Json UseJson(const MemoryUse& use) {
  Json out;
  out["limit"] = use.limit;
  out["usage"] = use.usage;
  out["max"] = use.max;
  out["failcnt"] = use.fail_count;
  return out;
}

Json CpuJson(const CpuStats& cpu) {
  Json out;
  out["usage"]["total"] = cpu.total_ns;
  if (!cpu.per_cpu_ns.empty()) out["usage"]["percpu"] = cpu.per_cpu_ns;
  out["usage"]["kernel"] = cpu.kernel_ns;
  out["usage"]["user"] = cpu.user_ns;
  out["throttling"] = Json::object();
  if (cpu.periods != 0) {
    out["throttling"]["periods"] = cpu.periods;
    out["throttling"]["throttledPeriods"] = cpu.throttled_periods;
    out["throttling"]["throttledTime"] = cpu.throttled_ns;
  }
  return out;
}

Json MemoryJson(const MemoryStats& memory) {
  Json out;
  out["cache"] = memory.cache;
  out["usage"] = UseJson(memory.memory);
  out["swap"] = UseJson(memory.swap);
  out["kernel"] = UseJson(memory.kernel);
  out["kernelTCP"] = UseJson(memory.kernel_tcp);
  out["raw"] = memory.raw;
  return out;
}

Json BlockJson(const std::vector<BlockEntry>& entries) {
  Json out = Json::array();
  for (const BlockEntry& entry : entries) {
    out.push_back({{"major", entry.major}, {"minor", entry.minor}, {"op", entry.op}, {"value", entry.value}});
  }
  return out;
}

Json DataJson(const CgroupStats& stats) {
  Json out;
  out["cpu"] = CpuJson(stats.cpu);
  out["cpuset"] = Json::object();
  out["memory"] = MemoryJson(stats.memory);
  out["pids"]["current"] = stats.pids.current;
  if (stats.pids.limit != 0) out["pids"]["limit"] = stats.pids.limit;
  out["blkio"] = Json::object();
  if (!stats.io_bytes.empty()) out["blkio"]["ioServiceBytesRecursive"] = BlockJson(stats.io_bytes);
  if (!stats.io_operations.empty()) out["blkio"]["ioServicedRecursive"] = BlockJson(stats.io_operations);
  out["hugetlb"] = Json::object();
  for (const auto& [size, use] : stats.hugetlb) out["hugetlb"][size] = UseJson(use);
  out["intel_rdt"] = Json::object();
  out["network_interfaces"] = nullptr;
  return out;
}

std::string EventText(std::string_view type, std::string_view id, const Json& data) {
  Json out;
  out["type"] = std::string(type);
  out["id"] = std::string(id);
  if (!data.is_null()) out["data"] = data;
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

CgroupStats ReadCgroupStats(const CgroupPaths& paths) {
  const bool v2 = IsUnifiedOnly(paths);
  const Reader read(paths);
  CgroupStats stats;
  stats.cpu = v2 ? ReadCpuV2(read) : ReadCpuV1(read);
  stats.memory = v2 ? ReadMemoryV2(read) : ReadMemoryV1(read);
  const uint64_t limit = read.Number("pids", "pids.max");
  stats.pids = {read.Number("pids", "pids.current"), limit == kNoCgroupLimit ? 0 : limit};
  if (v2) {
    ReadBlockV2(read, stats);
  } else {
    stats.io_bytes = ReadBlockV1(read, "blkio.throttle.io_service_bytes_recursive");
    stats.io_operations = ReadBlockV1(read, "blkio.throttle.io_serviced_recursive");
  }
  ReadHugetlb(read, v2, stats);
  return stats;
}

std::string StatsJson(const CgroupStats& stats) {
  return DataJson(stats).dump(-1, ' ', false, Json::error_handler_t::replace);
}
std::string StatsEvent(std::string_view id, const CgroupStats& stats) {
  return EventText("stats", id, DataJson(stats));
}
std::string OomEvent(std::string_view id) { return EventText("oom", id, nullptr); }

absl::StatusOr<OomWatch> OomWatch::Open(const CgroupPaths& paths) {
  OomWatch watch(paths);
  watch.seen_ = OomKills(Reader(paths), IsUnifiedOnly(paths));
  RETURN_IF_ERROR(IsUnifiedOnly(paths) ? watch.WatchV2() : watch.WatchV1());
  return watch;
}

absl::Status OomWatch::WatchV1() {
  const std::string file = CgroupFile(paths_, "memory", "memory.oom_control");
  control_.reset(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!control_.valid()) return HostError(errno, "open %s", file.c_str());
  fd_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd_.valid()) return HostError(errno, "eventfd");
  const std::string events = CgroupFile(paths_, "memory", "cgroup.event_control");
  const UniqueFd control(open(events.c_str(), O_WRONLY | O_CLOEXEC));
  const std::string request = Cat(fd_.get(), " ", control_.get());
  if (control.valid() && write(control.get(), request.data(), request.size()) > 0) return absl::OkStatus();
  return HostError(errno, "write %s", events.c_str());
}

absl::Status OomWatch::WatchV2() {
  const std::string file = CgroupFile(paths_, "memory", "memory.events");
  fd_.reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd_.valid()) return HostError(errno, "inotify_init");
  if (inotify_add_watch(fd_.get(), file.c_str(), IN_MODIFY) >= 0) return absl::OkStatus();
  return HostError(errno, "watch %s", file.c_str());
}

bool OomWatch::Drain() {
  char buffer[4096];
  while (read(fd_.get(), buffer, sizeof(buffer)) > 0) {
  }
  // v1 tells before the kill is counted.
  if (!IsUnifiedOnly(paths_)) return access(CgroupFile(paths_, "memory", "memory.oom_control").c_str(), F_OK) == 0;
  const uint64_t now = OomKills(Reader(paths_), true);
  const bool more = now > seen_;
  seen_ = now;
  return more;
}

}  // namespace runsc
