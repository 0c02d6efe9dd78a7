#include "runsc-cli/cgroup/systemd.h"

#include <gtest/gtest.h>

#include "runsc-cli/cgroup/dbus.h"

namespace runsc {
namespace {

DBusMessage SomeSignal() {
  DBusMessage message;
  message.type = DBusType::kSignal;
  message.serial = 7;
  message.reply_to = 9;
  message.path = "/org/freedesktop/systemd1";
  message.interface = "org.freedesktop.systemd1.Manager";
  message.member = "JobRemoved";
  message.signature = "uos";
  message.body = DBusWriter().Uint32(3).String("/a/b").String("done").bytes();
  return message;
}

TEST(DBusMessages, AreReadAsWritten) {
  const std::string bytes = EncodeDBusMessage(SomeSignal());
  ASSERT_EQ(DBusMessageSize(bytes), bytes.size());
  const auto read = DecodeDBusMessage(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->type, DBusType::kSignal);
  EXPECT_EQ(read->serial, 7u);
  EXPECT_EQ(read->reply_to, 9u);
  EXPECT_EQ(read->member, "JobRemoved");
  EXPECT_EQ(read->signature, "uos");
  DBusReader body(read->body);
  EXPECT_EQ(body.Uint32(), 3u);
  EXPECT_EQ(body.String(), "/a/b");
  EXPECT_EQ(body.String(), "done");
  EXPECT_TRUE(body.ok());
  EXPECT_EQ(body.String(), "");
  EXPECT_FALSE(body.ok());
}

// The example of the specification: an array's length leaves out the padding before its first element.
TEST(DBusMessages, ArraysOfStructures) {
  DBusWriter out;
  out.Array(8, [](DBusWriter& w) { w.Align(8).String("a").Signature("t").Uint64(5); });
  EXPECT_EQ(out.bytes(), std::string("\x18\0\0\0\0\0\0\0\x01\0\0\0a\0\x01t\0\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0", 32));
  EXPECT_EQ(DBusWriter().Array(8, [](DBusWriter&) {}).bytes(), std::string(8, '\0'));
}

TEST(DBusMessages, CutOrChangedOnesDoNoHarm) {
  const std::string good = EncodeDBusMessage(SomeSignal());
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(DecodeDBusMessage(good.substr(0, size)).has_value()) << size;
  for (size_t at = 0; at < good.size(); ++at) {
    for (const uint8_t value : {0, 1, 0x7f, 0x80, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(value);
      (void)DecodeDBusMessage(bad);
    }
  }
}

std::vector<SystemdProperty> PropertiesOf(std::vector<CgroupSetting> settings) {
  return SystemdProperties({std::move(settings), {}});
}

TEST(SystemdProperties, HaveSystemdsNamesAndUnits) {
  EXPECT_EQ(PropertiesOf({{"memory", "memory.max", "1048576"}, {"pids", "pids.max", "max"}}),
            (std::vector<SystemdProperty>{{"MemoryMax", 1048576, {}}, {"TasksMax", UINT64_MAX, {}}}));
  EXPECT_EQ(PropertiesOf({{"cpuset", "cpuset.cpus", "0-2,9"}}),
            (std::vector<SystemdProperty>{{"AllowedCPUs", 0, {7, 2}}}));
  EXPECT_EQ(PropertiesOf({{"cpuset", "cpuset.cpus", "nonsense"}, {"memory", "memory.swappiness", "1"}}),
            std::vector<SystemdProperty>());
}

TEST(SystemdProperties, QuotaIsOfASecond) {
  const std::vector<SystemdProperty> half = {{"CPUQuotaPeriodUSec", 50000, {}}, {"CPUQuotaPerSecUSec", 500000, {}}};
  EXPECT_EQ(PropertiesOf({{"cpu", "cpu.max", "25000 50000"}}), half);
  EXPECT_EQ(PropertiesOf({{"cpu", "cpu.cfs_period_us", "50000"}, {"cpu", "cpu.cfs_quota_us", "25000"}}), half);
  EXPECT_EQ(PropertiesOf({{"cpu", "cpu.cfs_quota_us", "33333"}}),
            (std::vector<SystemdProperty>{{"CPUQuotaPerSecUSec", 340000, {}}}));
  EXPECT_EQ(PropertiesOf({{"cpu", "cpu.cfs_quota_us", "-1"}}),
            (std::vector<SystemdProperty>{{"CPUQuotaPerSecUSec", UINT64_MAX, {}}}));
}

}  // namespace
}  // namespace runsc
