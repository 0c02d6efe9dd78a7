#include "sentry/net/wait_list.h"

#include <gtest/gtest.h>

#include <vector>

namespace runsc {
namespace {

class Thing : public RefCounted {};
using Things = WaitList<Thing>;

TEST(WaitList, FirstComeFirstServed) {
  Things list;
  Things::List gone;
  const auto a = MakeRef<Thing>(), b = MakeRef<Thing>(), c = MakeRef<Thing>();
  list.Add(a, &gone);
  list.Add(b, &gone);
  EXPECT_TRUE(list.Has(a));
  EXPECT_FALSE(list.Has(c));
  EXPECT_EQ(list.TakeFirst(), a);
  EXPECT_EQ(list.TakeFirst(), b);
  EXPECT_EQ(list.TakeFirst(), nullptr);
}

TEST(WaitList, ThoseWhoAreGoneAreLetGo) {
  Things list;
  Things::List gone;
  std::vector<RefPtr<Thing>> known;
  for (int i = 0; i < 10; ++i) {
    known.push_back(MakeRef<Thing>());
    list.Add(known.back(), &gone);
  }
  for (int i = 0; i < 100000; ++i) list.Add(MakeRef<Thing>(), &gone);
  EXPECT_LT(list.size(), 200u);
  for (const auto& one : known) EXPECT_EQ(list.TakeFirst(), one);
}

TEST(WaitList, ThoseWhoAreThereStay) {
  Things list;
  Things::List gone;
  std::vector<RefPtr<Thing>> known;
  for (int i = 0; i < 1000; ++i) {
    known.push_back(MakeRef<Thing>());
    list.Add(known.back(), &gone);
  }
  EXPECT_EQ(list.size(), known.size());
  EXPECT_TRUE(gone.empty());
  EXPECT_EQ(list.TakeAll().size(), known.size());
  EXPECT_EQ(list.size(), 0u);
}

}  // namespace
}  // namespace runsc
