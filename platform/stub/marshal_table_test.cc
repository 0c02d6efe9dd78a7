// The table both sides derive staged ranges from.
#include "platform/stub/marshal_table.h"

#include <gtest/gtest.h>

#include "platform/stub/stub_layout.h"

namespace runsc::stub {
namespace {

TEST(MarshalTableTest, RowsFitTheStagingArea) {
  for (const marshal::Entry& entry : marshal::kEntries) {
    bool counted = false;
    for (int i = 0; i < kMaxStagedArgs; i++) {
      const StagedArg& a = entry.row.args[i];
      if (a.kind == Staging::kNone) continue;
      EXPECT_FALSE(counted) << "a counted argument must be the last, call " << entry.number;
      EXPECT_LT(a.arg, 6);
      if (a.count_arg != StagedArg::kFixed) {
        counted = true;
        EXPECT_LT(a.count_arg, 6);
        EXPECT_GT(a.unit, 0);
      }
      EXPECT_LE(StagedOffset(i) + StagedCapacity(a), uint64_t{SLOT_STAGING_SIZE}) << entry.number;
    }
    EXPECT_EQ(FindMarshalRow(entry.number), &entry.row) << "listed twice: " << entry.number;
  }
}

TEST(MarshalTableTest, HostileCountsAreNotStaged) {
  const MarshalRow* read = FindMarshalRow(__NR_read);
  ASSERT_NE(read, nullptr);
  for (uint64_t count : {kStagedBulk + 1, 1UL << 32, ~0UL, 1UL << 63}) {
    const uint64_t args[6] = {0, 0x1000, count, 0, 0, 0};
    EXPECT_GT(StagedSize(read->args[0], args), StagedCapacity(read->args[0]));
  }
  const uint64_t args[6] = {0, 0x1000, kStagedBulk, 0, 0, 0};
  EXPECT_EQ(StagedSize(read->args[0], args), kStagedBulk);
  const MarshalRow* poll = FindMarshalRow(__NR_poll);
  const uint64_t wraps[6] = {0x1000, 1UL << 61, 0, 0, 0, 0};
  EXPECT_GT(StagedSize(poll->args[0], wraps), StagedCapacity(poll->args[0]));
}

TEST(MarshalTableTest, OnlyTheFirstEventsAreStaged) {
  const StagedArg& events = FindMarshalRow(__NR_epoll_wait)->args[0];
  for (uint64_t count : {64UL, 65UL, 10128UL, ~0UL}) {
    const uint64_t args[6] = {0, 0x1000, count, 0, 0, 0};
    EXPECT_EQ(StagedSize(events, args), 64u * marshal::kEpollEvent);
  }
  const uint64_t args[6] = {0, 0x1000, 3, 0, 0, 0};
  EXPECT_EQ(StagedSize(events, args), 3u * marshal::kEpollEvent);
}

TEST(MarshalTableTest, SmallOutputsTravelInTheReply) {
  const MarshalRow& read = *FindMarshalRow(__NR_read);
  for (uint64_t count : {0UL, 1UL, 16UL}) {
    const uint64_t args[6] = {0, 0x1000, count, 0, 0, 0};
    EXPECT_EQ(OutputInReply(read, args), 0) << count;
  }
  for (uint64_t count : {17UL, 65536UL, 1UL << 32, ~0UL}) {
    const uint64_t args[6] = {0, 0x1000, count, 0, 0, 0};
    EXPECT_EQ(OutputInReply(read, args), -1) << count;
  }
  const uint64_t none[6] = {};
  EXPECT_EQ(OutputInReply(*FindMarshalRow(__NR_wait4), none), 0);
  EXPECT_EQ(OutputInReply(*FindMarshalRow(__NR_nanosleep), none), 1);
  EXPECT_EQ(OutputInReply(*FindMarshalRow(__NR_fstat), none), -1);
  EXPECT_EQ(OutputInReply(*FindMarshalRow(__NR_poll), none), -1);  // what goes both ways is staged
}

TEST(MarshalTableTest, OddNumbers) {
  for (uint64_t number : {512UL, 0x40000027UL, 1UL << 32, ~0UL}) EXPECT_EQ(FindMarshalRow(number), nullptr);
  EXPECT_EQ(FindMarshalRow(__NR_getpid), nullptr);
}

}  // namespace
}  // namespace runsc::stub
