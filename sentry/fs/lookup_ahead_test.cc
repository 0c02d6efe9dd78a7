// Unit tests of the names that are fetched ahead.
#include "sentry/fs/lookup_ahead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runsc {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

std::vector<std::string> Numbers(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

TEST(LookupAhead, GivesTheNameAloneWithoutListing) {
  LookupAhead ahead;
  EXPECT_THAT(ahead.Take("a", 8), ElementsAre("a"));
}

TEST(LookupAhead, GivesMoreWithEachNameOfAListing) {
  LookupAhead ahead;
  ahead.Listed(Numbers(100));
  EXPECT_THAT(ahead.Take("0", 8), ElementsAre("0"));
  EXPECT_THAT(ahead.Take("1", 8), ElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(ahead.Take("5", 8), SizeIs(8));
  EXPECT_THAT(ahead.Take("13", 8), SizeIs(8));
}

TEST(LookupAhead, FollowsTheListingInAnyOrderAndGivesNothingTwice) {
  LookupAhead ahead;
  ahead.Listed(Numbers(6));
  EXPECT_THAT(ahead.Take("4", 8), ElementsAre("4"));
  EXPECT_THAT(ahead.Take("2", 8), ElementsAre("2", "3", "5"));
  EXPECT_THAT(ahead.Take("0", 8), ElementsAre("0", "1"));
  EXPECT_THAT(ahead.Take("3", 8), ElementsAre("3")) << "looked up again";
}

TEST(LookupAhead, OtherNamesLeaveTheListingAlone) {
  LookupAhead ahead;
  ahead.Listed(Numbers(3));
  EXPECT_THAT(ahead.Take("new", 8), ElementsAre("new"));
  EXPECT_THAT(ahead.Take("", 8), ElementsAre(""));
  EXPECT_THAT(ahead.Take("0", 8), ElementsAre("0"));
  EXPECT_THAT(ahead.Take("1", 8), ElementsAre("1", "2"));
}

TEST(LookupAhead, KeepsTheBeginningOfAHugeListing) {
  LookupAhead ahead;
  ahead.Listed(Numbers(LookupAhead::kMaxNames + 5));
  EXPECT_THAT(ahead.Take(std::to_string(LookupAhead::kMaxNames - 1), 8), SizeIs(1));
  EXPECT_THAT(ahead.Take(std::to_string(LookupAhead::kMaxNames), 8), SizeIs(1));
  EXPECT_THAT(ahead.Take(std::to_string(LookupAhead::kMaxNames - 3), 8), SizeIs(2));
}

}  // namespace
}  // namespace runsc
