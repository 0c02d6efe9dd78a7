// Reads linux.resources.
#include "runsc-cli/oci/resources.h"

#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr int kMaxDepth = 16;

std::optional<int64_t> OptionalInt(const JsonValue& value, int64_t min = INT64_MIN) {
  if (!value.present()) return std::nullopt;
  return value.Int(min, INT64_MAX);
}

std::optional<uint64_t> OptionalUint(const JsonValue& value) {
  if (!value.present()) return std::nullopt;
  return value.Uint64();
}

std::optional<uint32_t> OptionalUint32(const JsonValue& value) {
  if (!value.present()) return std::nullopt;
  return value.Uint32();
}

std::optional<bool> OptionalBool(const JsonValue& value) {
  if (!value.present()) return std::nullopt;
  return value.Bool();
}

MemoryResources ReadMemory(const JsonValue& value) {
  MemoryResources memory;
  memory.limit = OptionalInt(value.Field("limit"), -1);
  memory.reservation = OptionalInt(value.Field("reservation"), -1);
  memory.swap = OptionalInt(value.Field("swap"), -1);
  memory.kernel = OptionalInt(value.Field("kernel"), -1);
  memory.kernel_tcp = OptionalInt(value.Field("kernelTCP"), -1);
  memory.swappiness = OptionalUint(value.Field("swappiness"));
  memory.disable_oom_killer = OptionalBool(value.Field("disableOOMKiller"));
  // Always so in cgroup v2 and in every current v1 kernel.
  (void)value.Field("useHierarchy").Bool();
  memory.check_before_update = value.Field("checkBeforeUpdate").Bool();
  return memory;
}

CpuResources ReadCpu(const JsonValue& value) {
  CpuResources cpu;
  cpu.shares = OptionalUint(value.Field("shares"));
  cpu.quota = OptionalInt(value.Field("quota"));
  cpu.burst = OptionalUint(value.Field("burst"));
  cpu.period = OptionalUint(value.Field("period"));
  cpu.realtime_runtime = OptionalInt(value.Field("realtimeRuntime"));
  cpu.realtime_period = OptionalUint(value.Field("realtimePeriod"));
  cpu.idle = OptionalInt(value.Field("idle"), 0);
  cpu.cpus = value.Field("cpus").String();
  cpu.mems = value.Field("mems").String();
  return cpu;
}

std::vector<BlockDeviceValue> ReadDeviceValues(const JsonValue& list, std::string_view field) {
  std::vector<BlockDeviceValue> values;
  list.ForEach([&](const JsonValue& item) {
    const JsonValue value = item.Field(field);
    if (!value.present()) return;
    values.push_back({item.Field("major").Int(0, UINT32_MAX), item.Field("minor").Int(0, UINT32_MAX), value.Uint64()});
  });
  return values;
}

BlockResources ReadBlock(const JsonValue& value) {
  BlockResources block;
  block.weight = OptionalUint(value.Field("weight"));
  block.leaf_weight = OptionalUint(value.Field("leafWeight"));
  block.device_weights = ReadDeviceValues(value.Field("weightDevice"), "weight");
  block.device_leaf_weights = ReadDeviceValues(value.Field("weightDevice"), "leafWeight");
  block.read_bps = ReadDeviceValues(value.Field("throttleReadBpsDevice"), "rate");
  block.write_bps = ReadDeviceValues(value.Field("throttleWriteBpsDevice"), "rate");
  block.read_iops = ReadDeviceValues(value.Field("throttleReadIOPSDevice"), "rate");
  block.write_iops = ReadDeviceValues(value.Field("throttleWriteIOPSDevice"), "rate");
  return block;
}

std::vector<HugepageLimit> ReadHugepages(const JsonValue& value) {
  std::vector<HugepageLimit> limits;
  value.ForEach([&](const JsonValue& item) {
    HugepageLimit limit{item.Field("pageSize").String(), item.Field("limit").Uint64()};
    // It becomes part of a file name.
    const bool plain = limit.page_size.find_first_not_of("0123456789KMGTB") == std::string::npos;
    if (limit.page_size.empty() || !plain) item.Field("pageSize").Fail("must be a size such as 2MB");
    limits.push_back(std::move(limit));
  });
  return limits;
}

NetworkResources ReadNetwork(const JsonValue& value) {
  NetworkResources network;
  network.class_id = OptionalUint32(value.Field("classID"));
  value.Field("priorities").ForEach([&](const JsonValue& item) {
    network.priorities[item.Field("name").String()] = item.Field("priority").Uint32();
  });
  return network;
}

std::map<std::string, RdmaLimit> ReadRdma(const JsonValue& value) {
  std::map<std::string, RdmaLimit> limits;
  value.ForEachMember([&](const std::string& device, const JsonValue& item) {
    limits[device] = {OptionalUint32(item.Field("hcaHandles")), OptionalUint32(item.Field("hcaObjects"))};
  });
  return limits;
}

std::vector<DeviceRule> ReadDeviceRules(const JsonValue& value) {
  std::vector<DeviceRule> rules;
  value.ForEach([&](const JsonValue& item) {
    rules.push_back({item.Field("allow").Bool(), item.Field("type").String(), item.Field("access").String(),
                     OptionalInt(item.Field("major"), -1), OptionalInt(item.Field("minor"), -1)});
  });
  return rules;
}

// A unified key is the name of a file in the cgroup's directory.
void CheckUnified(const JsonValue& value, const std::map<std::string, std::string>& unified) {
  for (const auto& [file, text] : unified) {
    if (file.empty() || file[0] == '.' || file.find('/') != file.npos)
      value.Fail(Cat("\"", file, "\" is no cgroup file"));
  }
}

}  // namespace

SpecResources ReadResources(const JsonValue& value) {
  SpecResources resources;
  resources.memory = ReadMemory(value.Field("memory"));
  resources.cpu = ReadCpu(value.Field("cpu"));
  resources.block = ReadBlock(value.Field("blockIO"));
  resources.pids_limit = OptionalInt(value.Field("pids").Field("limit"), -1);
  resources.hugepages = ReadHugepages(value.Field("hugepageLimits"));
  resources.network = ReadNetwork(value.Field("network"));
  resources.rdma = ReadRdma(value.Field("rdma"));
  resources.unified = value.Field("unified").StringMap();
  CheckUnified(value.Field("unified"), resources.unified);
  resources.devices = ReadDeviceRules(value.Field("devices"));
  return resources;
}

absl::StatusOr<SpecResources> ParseResources(std::string_view text) {
  if (absl::Status s = CheckJsonText(text, kMaxDepth); !s.ok()) return s;
  const nlohmann::json document = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  absl::Status error;
  SpecResources resources = ReadResources(JsonValue(&document, "", &error));
  if (!error.ok()) return error;
  return resources;
}

}  // namespace runsc
