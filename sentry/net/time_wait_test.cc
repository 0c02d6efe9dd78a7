#include "sentry/net/time_wait.h"

#include <gtest/gtest.h>
#include <netinet/tcp.h>

namespace runsc {
namespace {

IpEndpoint At(uint16_t port) { return {IpAddress::V4(INADDR_LOOPBACK), port}; }

TimeWait Wait(uint16_t local, uint16_t remote, int64_t until_ns) {
  TimeWait wait;
  wait.claim.local = At(local);
  wait.remote = At(remote);
  wait.state = TCP_TIME_WAIT;
  wait.until_ns = until_ns;
  return wait;
}

TEST(TimeWaitTableTest, ForgetsInOrderOfTheirEnds) {
  TimeWaitTable table;
  table.Add(Wait(1, 2, 300));
  table.Add(Wait(1, 3, 100));
  table.Add(Wait(4, 5, 200));
  table.Expire(199);
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.Find(At(1), At(3)), nullptr);
  table.Expire(300);
  EXPECT_EQ(table.size(), 0u);
}

TEST(TimeWaitTableTest, OneForEachPairOfAddresses) {
  TimeWaitTable table;
  table.Add(Wait(1, 2, 100));
  table.Add(Wait(1, 2, 900));
  table.Expire(500);
  ASSERT_NE(table.Find(At(1), At(2)), nullptr);
  table.Remove(At(1), At(2));
  table.Remove(At(1), At(2));
  EXPECT_EQ(table.size(), 0u);
}

TEST(TimeWaitTableTest, LooksAtOnePortOnly) {
  TimeWaitTable table;
  table.Add(Wait(1, 2, 100));
  table.Add(Wait(3, 9, 100));
  const auto to_9 = [](const TimeWait& wait) { return wait.remote.port == 9; };
  EXPECT_FALSE(table.AnyAt(1, to_9));
  EXPECT_FALSE(table.AnyAt(2, to_9));
  EXPECT_TRUE(table.AnyAt(3, to_9));
}

}  // namespace
}  // namespace runsc
