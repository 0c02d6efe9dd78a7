// linux.resources of config.json, and the same document as `update --resources` takes it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cli/oci/json_reader.h"

namespace runsc {

// Sizes in bytes; -1 is "no limit".
struct MemoryResources {
  std::optional<int64_t> limit, reservation, swap, kernel, kernel_tcp;
  std::optional<uint64_t> swappiness;
  std::optional<bool> disable_oom_killer;
  bool check_before_update = false;
};

struct CpuResources {
  std::optional<uint64_t> shares, period, burst, realtime_period;
  std::optional<int64_t> quota, realtime_runtime, idle;
  std::string cpus, mems;
};

struct BlockDeviceValue {
  int64_t major = 0, minor = 0;
  uint64_t value = 0;
};

struct BlockResources {
  std::optional<uint64_t> weight, leaf_weight;
  std::vector<BlockDeviceValue> device_weights, device_leaf_weights;
  std::vector<BlockDeviceValue> read_bps, write_bps, read_iops, write_iops;
};

struct HugepageLimit {
  std::string page_size;  // "2MB"
  uint64_t limit = 0;
};

struct NetworkResources {
  std::optional<uint32_t> class_id;
  std::map<std::string, uint32_t> priorities;
};

struct RdmaLimit {
  std::optional<uint32_t> handles, objects;
};

struct DeviceRule {
  bool allow = false;
  std::string type, access;
  std::optional<int64_t> major, minor;
};

struct SpecResources {
  MemoryResources memory;
  CpuResources cpu;
  BlockResources block;
  std::optional<int64_t> pids_limit;
  std::vector<HugepageLimit> hugepages;
  NetworkResources network;
  std::map<std::string, RdmaLimit> rdma;
  std::map<std::string, std::string> unified;
  std::vector<DeviceRule> devices;
};

SpecResources ReadResources(const JsonValue& value);

// The text of `update --resources`.
absl::StatusOr<SpecResources> ParseResources(std::string_view json);

}  // namespace runsc
