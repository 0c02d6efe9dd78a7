// Cgroup files as properties of systemd's units (systemd.resource-control(5)).
#include <algorithm>

#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/systemd.h"

namespace runsc {
namespace {

constexpr uint64_t kInfinity = UINT64_MAX, kMicroseconds = 1'000'000;

constexpr struct {
  std::string_view file, property;
} kNumbers[] = {
    {"memory.max", "MemoryMax"},
    {"memory.low", "MemoryLow"},
    {"memory.swap.max", "MemorySwapMax"},
    {"memory.limit_in_bytes", "MemoryLimit"},
    {"cpu.weight", "CPUWeight"},
    {"cpu.shares", "CPUShares"},
    {"pids.max", "TasksMax"},
    {"blkio.weight", "BlockIOWeight"},
};

uint64_t NumberOf(std::string_view text) { return ParseNumber<uint64_t>(text).value_or(kInfinity); }

// "0-2,5" as systemd takes it: bit by bit, the first byte has the lowest numbers.
std::vector<uint8_t> MaskOf(std::string_view list) {
  constexpr size_t kMost = 8192;
  std::vector<uint8_t> mask;
  for (std::string_view range : Split(list, ',')) {
    const size_t dash = range.find('-');
    const auto first = ParseNumber<size_t>(range.substr(0, dash));
    const auto last = dash == range.npos ? first : ParseNumber<size_t>(range.substr(dash + 1));
    if (!first || !last || *last >= kMost) return {};
    for (size_t bit = *first; bit <= *last; ++bit) {
      mask.resize(std::max(mask.size(), bit / 8 + 1));
      mask[bit / 8] |= static_cast<uint8_t>(1u << bit % 8);
    }
  }
  return mask;
}

// Of a period, in microseconds, as systemd wants it: of a second, in steps of 10 ms.
uint64_t QuotaPerSecond(std::string_view quota, uint64_t period) {
  constexpr uint64_t kStep = 10'000;
  const uint64_t us = NumberOf(quota);
  if (us == kInfinity || period == 0 || us > kInfinity / kMicroseconds) return kInfinity;
  return (us * kMicroseconds / period + kStep - 1) / kStep * kStep;
}

class PropertyList {
 public:
  void Add(const CgroupSetting& setting) {
    constexpr uint64_t kDefaultPeriod = 100'000;
    const std::string_view value = setting.value;
    for (const auto& [file, property] : kNumbers) {
      if (file == setting.file) AddNumber(property, NumberOf(value));
    }
    if (setting.file == "cpuset.cpus") AddMask("AllowedCPUs", value);
    if (setting.file == "cpuset.mems") AddMask("AllowedMemoryNodes", value);
    if (setting.file == "cpu.max") {
      const size_t space = value.find(' ');
      quota_ = value.substr(0, space);
      period_ = space == value.npos ? kDefaultPeriod : NumberOf(value.substr(space + 1));
    }
    if (setting.file == "cpu.cfs_quota_us") quota_ = value;
    if (setting.file == "cpu.cfs_period_us") period_ = NumberOf(value);
  }

  std::vector<SystemdProperty> Take() {
    if (period_ != 0) AddNumber("CPUQuotaPeriodUSec", period_);
    if (!quota_.empty()) AddNumber("CPUQuotaPerSecUSec", QuotaPerSecond(quota_, period_ ? period_ : 100'000));
    return std::move(out_);
  }

 private:
  void AddNumber(std::string_view name, uint64_t number) { out_.push_back({std::string(name), number, {}}); }
  void AddMask(std::string_view name, std::string_view list) {
    std::vector<uint8_t> mask = MaskOf(list);
    if (!mask.empty()) out_.push_back({std::string(name), 0, std::move(mask)});
  }

  std::vector<SystemdProperty> out_;
  std::string quota_;
  uint64_t period_ = 0;
};

}  // namespace

std::vector<SystemdProperty> SystemdProperties(const CgroupSettings& limits) {
  PropertyList list;
  for (const CgroupSetting& setting : limits.settings) list.Add(setting);
  return list.Take();
}

}  // namespace runsc
