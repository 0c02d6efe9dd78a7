#include "runsc-cli/cgroup/view.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/cgroup.h"
#include "runsc-cli/cgroup/settings.h"

namespace runsc {
namespace {

constexpr std::pair<const char*, const char*> kV2Files[] = {
    {"cpu", "cpu.max"},
    {"cpu", "cpu.weight"},
    {"cpu", "cpu.stat"},
    {"memory", "memory.max"},
    {"memory", "memory.current"},
    {"memory", "memory.peak"},
    {"memory", "memory.high"},
    {"memory", "memory.low"},
    {"memory", "memory.min"},
    {"memory", "memory.stat"},
    {"memory", "memory.swap.max"},
    {"memory", "memory.swap.current"},
    {"memory", "memory.events"},
    {"cpuset", "cpuset.cpus.effective"},
    {"cpuset", "cpuset.mems.effective"},
};

constexpr std::pair<const char*, const char*> kV1Files[] = {
    {"cpu", "cpu.cfs_quota_us"},
    {"cpu", "cpu.cfs_period_us"},
    {"cpu", "cpu.shares"},
    {"cpu", "cpu.stat"},
    {"cpuacct", "cpuacct.usage"},
    {"cpuacct", "cpuacct.stat"},
    {"memory", "memory.limit_in_bytes"},
    {"memory", "memory.usage_in_bytes"},
    {"memory", "memory.max_usage_in_bytes"},
    {"memory", "memory.memsw.limit_in_bytes"},
    {"memory", "memory.memsw.usage_in_bytes"},
    {"memory", "memory.failcnt"},
    {"memory", "memory.stat"},
    {"memory", "memory.oom_control"},
    {"cpuset", "cpuset.effective_cpus"},
    {"cpuset", "cpuset.effective_mems"},
};

std::string_view FirstLine(std::string_view text) { return text.substr(0, text.find('\n')); }

class V1 {
 public:
  explicit V1(const HostCgroupFile& host) : host_(host) {}

  bool Has(const char* name) const { return host_(name).has_value(); }
  std::optional<int64_t> Number(const char* name) const {
    const auto text = host_(name);
    return text ? ParseNumber<int64_t>(FirstLine(*text)) : std::nullopt;
  }
  // The value of a line "KEY VALUE", of memory.stat the one that counts those below too.
  uint64_t Value(const char* name, std::string_view key) const {
    const auto text = host_(name);
    if (!text) return 0;
    for (std::string_view line : Split(*text, '\n')) {
      const size_t space = line.find(' ');
      if (line.substr(0, space) == key) return ParseNumber<uint64_t>(line.substr(space + 1)).value_or(0);
    }
    return 0;
  }

 private:
  const HostCgroupFile& host_;
};

using Text = std::optional<std::string>;

// v1 writes the largest number of pages for "none".
bool IsUnlimited(int64_t bytes) { return bytes < 0 || bytes >= int64_t{1} << 62; }

Text Bytes(const std::optional<int64_t>& bytes) {
  if (!bytes) return std::nullopt;
  return IsUnlimited(*bytes) ? "max\n" : Cat(*bytes, "\n");
}

Text SwapLimit(const V1& v1) {
  const auto both = v1.Number("memory.memsw.limit_in_bytes"), memory = v1.Number("memory.limit_in_bytes");
  if (!both || !memory) return std::nullopt;
  if (IsUnlimited(*both) || IsUnlimited(*memory)) return "max\n";
  return Cat(std::max<int64_t>(*both - *memory, 0), "\n");
}

Text SwapUsage(const V1& v1) {
  const auto both = v1.Number("memory.memsw.usage_in_bytes"), memory = v1.Number("memory.usage_in_bytes");
  if (!both || !memory) return std::nullopt;
  return Cat(std::max<int64_t>(*both - *memory, 0), "\n");
}

Text MemoryStat(const V1& v1) {
  if (!v1.Has("memory.stat")) return std::nullopt;
  constexpr std::pair<const char*, const char*> kNames[] = {{"anon", "total_rss"},
                                                            {"file", "total_cache"},
                                                            {"shmem", "total_shmem"},
                                                            {"file_mapped", "total_mapped_file"},
                                                            {"file_dirty", "total_dirty"},
                                                            {"file_writeback", "total_writeback"},
                                                            {"inactive_anon", "total_inactive_anon"},
                                                            {"active_anon", "total_active_anon"},
                                                            {"inactive_file", "total_inactive_file"},
                                                            {"active_file", "total_active_file"},
                                                            {"unevictable", "total_unevictable"},
                                                            {"pgfault", "total_pgfault"},
                                                            {"pgmajfault", "total_pgmajfault"}};
  std::string out;
  for (const auto& [v2, name] : kNames) out += Cat(v2, " ", v1.Value("memory.stat", name), "\n");
  return out;
}

Text MemoryEvents(const V1& v1) {
  if (!v1.Has("memory.oom_control")) return std::nullopt;
  const uint64_t kills = v1.Value("memory.oom_control", "oom_kill");
  return Cat("low 0\nhigh 0\nmax ", v1.Number("memory.failcnt").value_or(0), "\noom ", kills, "\noom_kill ", kills,
             "\n");
}

Text CpuMax(const V1& v1) {
  const auto quota = v1.Number("cpu.cfs_quota_us"), period = v1.Number("cpu.cfs_period_us");
  if (!quota || !period) return std::nullopt;
  return Cat(*quota < 0 ? "max" : Cat(*quota), " ", *period, "\n");
}

Text CpuWeightText(const V1& v1) {
  const auto shares = v1.Number("cpu.shares");
  if (!shares) return std::nullopt;
  return Cat(CpuWeight(static_cast<uint64_t>(*shares)), "\n");
}

Text CpuStat(const V1& v1) {
  const auto usage = v1.Number("cpuacct.usage");
  if (!usage) return std::nullopt;
  constexpr uint64_t kUsPerTick = 10'000;
  return Cat("usage_usec ", *usage / 1000, "\nuser_usec ", v1.Value("cpuacct.stat", "user") * kUsPerTick,
             "\nsystem_usec ", v1.Value("cpuacct.stat", "system") * kUsPerTick, "\nnr_periods ",
             v1.Value("cpu.stat", "nr_periods"), "\nnr_throttled ", v1.Value("cpu.stat", "nr_throttled"),
             "\nthrottled_usec ", v1.Value("cpu.stat", "throttled_time") / 1000, "\n");
}

Text IfMemory(const V1& v1, const char* text) { return v1.Has("memory.limit_in_bytes") ? Text(text) : std::nullopt; }

Text FromV1(const HostCgroupFile& host, const std::string& name) {
  const V1 v1(host);
  if (name == "memory.max") return Bytes(v1.Number("memory.limit_in_bytes"));
  if (name == "memory.current") return Bytes(v1.Number("memory.usage_in_bytes"));
  if (name == "memory.peak") return Bytes(v1.Number("memory.max_usage_in_bytes"));
  if (name == "memory.high") return IfMemory(v1, "max\n");
  if (name == "memory.low" || name == "memory.min") return IfMemory(v1, "0\n");
  if (name == "memory.swap.max") return SwapLimit(v1);
  if (name == "memory.swap.current") return SwapUsage(v1);
  if (name == "memory.stat") return MemoryStat(v1);
  if (name == "memory.events") return MemoryEvents(v1);
  if (name == "cpu.max") return CpuMax(v1);
  if (name == "cpu.weight") return CpuWeightText(v1);
  if (name == "cpu.stat") return CpuStat(v1);
  if (name == "cpuset.cpus.effective") return host("cpuset.effective_cpus");
  if (name == "cpuset.mems.effective") return host("cpuset.effective_mems");
  return std::nullopt;
}

}  // namespace

std::vector<CgroupFd> OpenCgroupView(const CgroupPaths& paths) {
  std::vector<CgroupFd> files;
  const auto add = [&](const char* controller, const char* name) {
    UniqueFd fd(open(CgroupFile(paths, controller, name).c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.valid()) files.push_back({name, std::move(fd)});
  };
  if (paths.empty()) return files;
  if (IsUnifiedOnly(paths)) {
    for (const auto& [controller, name] : kV2Files) add(controller, name);
  } else {
    for (const auto& [controller, name] : kV1Files) add(controller, name);
  }
  return files;
}

std::optional<std::string> CgroupViewText(const HostCgroupFile& host, const std::string& name) {
  // v1 has files of these names too, with other contents.
  const bool v1 = host("memory.limit_in_bytes") || host("cpu.shares") || host("cpuacct.usage");
  return v1 ? FromV1(host, name) : host(name);
}

}  // namespace runsc
