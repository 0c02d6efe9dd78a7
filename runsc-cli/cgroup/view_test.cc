#include "runsc-cli/cgroup/view.h"

#include <gtest/gtest.h>

#include <map>

namespace runsc {
namespace {

using Files = std::map<std::string, std::string>;

std::string Read(const Files& files, const std::string& name) {
  const HostCgroupFile host = [&](const std::string& file) -> std::optional<std::string> {
    const auto found = files.find(file);
    return found == files.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
  return CgroupViewText(host, name).value_or("(none)");
}

const Files kV1 = {{"memory.limit_in_bytes", "67108864\n"},
                   {"memory.usage_in_bytes", "4096\n"},
                   {"memory.memsw.limit_in_bytes", "134217728\n"},
                   {"memory.memsw.usage_in_bytes", "8192\n"},
                   {"memory.failcnt", "7\n"},
                   {"memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"},
                   {"memory.stat", "rss 1\ntotal_rss 5\ntotal_cache 6\n"},
                   {"cpu.cfs_quota_us", "50000\n"},
                   {"cpu.cfs_period_us", "100000\n"},
                   {"cpu.shares", "1024\n"},
                   {"cpu.stat", "nr_periods 3\nnr_throttled 1\nthrottled_time 9000\n"},
                   {"cpuacct.usage", "5000000\n"},
                   {"cpuacct.stat", "user 2\nsystem 1\n"},
                   {"cpuset.effective_cpus", "0-1\n"}};

TEST(CgroupView, TranslatesV1) {
  EXPECT_EQ(Read(kV1, "memory.max"), "67108864\n");
  EXPECT_EQ(Read(kV1, "memory.current"), "4096\n");
  EXPECT_EQ(Read(kV1, "memory.swap.max"), "67108864\n");
  EXPECT_EQ(Read(kV1, "memory.swap.current"), "4096\n");
  EXPECT_EQ(Read(kV1, "memory.events"), "low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\n");
  EXPECT_EQ(Read(kV1, "memory.stat").substr(0, 14), "anon 5\nfile 6\n");
  EXPECT_EQ(Read(kV1, "cpu.max"), "50000 100000\n");
  EXPECT_EQ(Read(kV1, "cpu.weight"), "39\n");
  EXPECT_EQ(Read(kV1, "cpu.stat"),
            "usage_usec 5000\nuser_usec 20000\nsystem_usec 10000\nnr_periods 3\nnr_throttled 1\nthrottled_usec 9\n");
  EXPECT_EQ(Read(kV1, "cpuset.cpus.effective"), "0-1\n");
}

TEST(CgroupView, NoLimitIsMax) {
  const Files none = {{"memory.limit_in_bytes", "9223372036854771712\n"},
                      {"memory.memsw.limit_in_bytes", "9223372036854771712\n"},
                      {"cpu.cfs_quota_us", "-1\n"},
                      {"cpu.cfs_period_us", "100000\n"}};
  EXPECT_EQ(Read(none, "memory.max"), "max\n");
  EXPECT_EQ(Read(none, "memory.swap.max"), "max\n");
  EXPECT_EQ(Read(none, "cpu.max"), "max 100000\n");
}

TEST(CgroupView, PassesV2On) {
  const Files v2 = {{"memory.max", "max\n"}, {"cpu.stat", "usage_usec 1\n"}};
  EXPECT_EQ(Read(v2, "memory.max"), "max\n");
  EXPECT_EQ(Read(v2, "cpu.stat"), "usage_usec 1\n");
  EXPECT_EQ(Read(v2, "cpu.max"), "(none)");
}

TEST(CgroupView, NothingComesOfNothing) {
  for (const char* name : {"memory.max", "memory.stat", "cpu.stat", "no.such"}) EXPECT_EQ(Read({}, name), "(none)");
}

}  // namespace
}  // namespace runsc
