#include "runsc-cli/cgroup/settings.h"

#include <gtest/gtest.h>

#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

SpecResources Parse(std::string_view json) {
  absl::StatusOr<SpecResources> resources = ParseResources(json);
  EXPECT_TRUE(resources.ok()) << resources.status();
  return resources.ok() ? *resources : SpecResources();
}

std::string Text(const absl::StatusOr<CgroupSettings>& settings) {
  if (!settings.ok()) return MessageOf(settings.status());
  std::string out;
  for (const CgroupSetting& s : settings->settings) out += Cat(s.controller, " ", s.file, "=", s.value, "\n");
  return out;
}

constexpr char kAll[] = R"({
  "memory": {"limit": 1048576, "reservation": 4096, "swap": 2097152, "swappiness": 0},
  "cpu": {"shares": 1024, "quota": 50000, "period": 100000, "cpus": "0-1", "mems": "0"},
  "pids": {"limit": 100},
  "blockIO": {"weight": 500, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}]},
  "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
  "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10}}})";

TEST(Settings, V1WritesEveryLimit) {
  EXPECT_EQ(Text(SettingsV1(Parse(kAll))),
            "memory memory.limit_in_bytes=1048576\n"
            "memory memory.memsw.limit_in_bytes=2097152\n"
            "memory memory.soft_limit_in_bytes=4096\n"
            "memory memory.swappiness=0\n"
            "cpu cpu.shares=1024\n"
            "cpu cpu.cfs_period_us=100000\n"
            "cpu cpu.cfs_quota_us=50000\n"
            "cpuset cpuset.cpus=0-1\n"
            "cpuset cpuset.mems=0\n"
            "pids pids.max=364\n"
            "blkio blkio.weight=500\n"
            "blkio blkio.throttle.read_bps_device=8:0 600\n"
            "hugetlb hugetlb.2MB.limit_in_bytes=9\n"
            "rdma rdma.max=mlx5_1 hca_handle=3 hca_object=10\n");
}

TEST(Settings, V2WritesEveryLimit) {
  const auto settings = SettingsV2(Parse(kAll));
  EXPECT_EQ(Text(settings),
            "memory memory.max=1048576\n"
            "memory memory.low=4096\n"
            "memory memory.swap.max=1048576\n"
            "cpu cpu.weight=39\n"
            "cpu cpu.max=50000 100000\n"
            "cpuset cpuset.cpus=0-1\n"
            "cpuset cpuset.mems=0\n"
            "pids pids.max=364\n"
            "io io.weight=default 4950\n"
            "io io.max=8:0 rbps=600\n"
            "hugetlb hugetlb.2MB.max=9\n"
            "rdma rdma.max=mlx5_1 hca_handle=3 hca_object=10\n");
  EXPECT_EQ(settings->warnings.size(), 1u);  // swappiness
}

TEST(Settings, MinusOneIsNoLimit) {
  const SpecResources none =
      Parse(R"({"memory": {"limit": -1, "swap": -1}, "cpu": {"quota": -1}, "pids": {"limit": -1}})");

  EXPECT_EQ(Text(SettingsV2(none)),
            "memory memory.max=max\nmemory memory.swap.max=max\ncpu cpu.max=max\npids pids.max=max\n");
  EXPECT_EQ(Text(SettingsV1(none)),
            "memory memory.limit_in_bytes=-1\nmemory memory.memsw.limit_in_bytes=-1\ncpu cpu.cfs_quota_us=-1\npids "
            "pids.max=max\n");
}

TEST(Settings, ZeroMeansNotGiven) {
  const SpecResources zeros = Parse(
      R"({"memory": {"limit": 0, "swap": 0, "kernel": 0}, "cpu": {"shares": 0, "quota": 0, "period": 0}, "pids": {"limit": 0}, "blockIO": {"weight": 0}})");

  EXPECT_EQ(Text(SettingsV1(zeros)), "");
  EXPECT_EQ(Text(SettingsV2(zeros)), "");
}

TEST(Settings, V2SwapNeedsAMemoryLimitBelowIt) {
  EXPECT_FALSE(SettingsV2(Parse(R"({"memory": {"swap": 5}})")).ok());
  EXPECT_FALSE(SettingsV2(Parse(R"({"memory": {"limit": 6, "swap": 5}})")).ok());
  EXPECT_EQ(Text(SettingsV2(Parse(R"({"memory": {"limit": 5, "swap": 5}})"))),
            "memory memory.max=5\nmemory memory.swap.max=0\n");
}

TEST(Settings, UnifiedIsForV2) {
  const SpecResources unified = Parse(R"({"unified": {"memory.high": "5", "cgroup.freeze": "1"}})");

  EXPECT_FALSE(SettingsV1(unified).ok());
  EXPECT_EQ(Text(SettingsV2(unified)), "cgroup cgroup.freeze=1\nmemory memory.high=5\n");
}

TEST(Settings, WeightsKeepTheirEnds) {
  EXPECT_EQ(CpuWeight(2), 1u);
  EXPECT_EQ(CpuWeight(262144), 10000u);
  EXPECT_EQ(CpuWeight(0), 1u);
  EXPECT_EQ(IoWeight(10), 1u);
  EXPECT_EQ(IoWeight(1000), 10000u);
}

TEST(Resources, RefusesWhatIsNoResource) {
  for (const char* json : {R"({"memory": {"limit": "1g"}})", R"({"memory": {"limit": -2}})", R"({"pids": []})",
                           R"({"unified": {"../x": "1"}})", R"({"unified": {"a/b": "1"}})",
                           R"({"hugepageLimits": [{"pageSize": "../2MB", "limit": 1}]})", "[]", "{"}) {
    EXPECT_FALSE(ParseResources(json).ok()) << json;
  }
}

}  // namespace
}  // namespace runsc
