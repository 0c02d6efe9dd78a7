// What a container uses, read from its cgroup.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"
#include "runsc-cli/cgroup/hierarchy.h"

namespace runsc {

inline constexpr uint64_t kNoCgroupLimit = UINT64_MAX;

struct CpuStats {
  uint64_t total_ns = 0, kernel_ns = 0, user_ns = 0;
  std::vector<uint64_t> per_cpu_ns;  // v1
  uint64_t periods = 0, throttled_periods = 0, throttled_ns = 0;
};

// A counter with its limit, its highest value and how often it met the limit.
struct MemoryUse {
  uint64_t usage = 0, limit = 0, max = 0, fail_count = 0;
};

struct MemoryStats {
  MemoryUse memory, swap, kernel, kernel_tcp;  // swap: memory and swap together, as in v1
  uint64_t cache = 0;
  uint64_t oom_kills = 0;
  std::map<std::string, uint64_t> raw;  // memory.stat
};

struct PidsStats {
  uint64_t current = 0, limit = 0;  // of the host's tasks, or the container's own; limit 0: none
};

struct BlockEntry {
  uint64_t major = 0, minor = 0, value = 0;
  std::string op;  // Read, Write
};

struct CgroupStats {
  CpuStats cpu;
  MemoryStats memory;
  PidsStats pids;
  std::vector<BlockEntry> io_bytes, io_operations;
  std::map<std::string, MemoryUse> hugetlb;  // by page size
};

CgroupStats ReadCgroupStats(const CgroupPaths& paths);

// runc's "data" of a stats event.
std::string StatsJson(const CgroupStats& stats);
// One line of `runsc events`.
std::string StatsEvent(std::string_view id, const CgroupStats& stats);
std::string OomEvent(std::string_view id);

// Becomes readable when the memory limit was met: Drain() says whether a process was killed since.
class OomWatch {
 public:
  static absl::StatusOr<OomWatch> Open(const CgroupPaths& paths);
  int fd() const { return fd_.get(); }
  bool Drain();

 private:
  explicit OomWatch(const CgroupPaths& paths) : paths_(paths) {}
  absl::Status WatchV1();
  absl::Status WatchV2();

  CgroupPaths paths_;
  UniqueFd fd_, control_;
  uint64_t seen_ = 0;
};

}  // namespace runsc
