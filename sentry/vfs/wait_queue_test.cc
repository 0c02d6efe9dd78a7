// See the header of the class under test.
#include "sentry/vfs/wait_queue.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

struct Recorder : Waiter {
  explicit Recorder(EventMask mask) : Waiter(mask) {}
  void OnNotify(EventMask events) override { seen |= events, ++calls; }
  bool OnNotifyExclusive(EventMask events) override {
    OnNotify(events);
    return useful;
  }
  EventMask seen = 0;
  int calls = 0;
  bool useful = true;
};

TEST(WaitQueue, TellsOnlyWhoAsked) {
  WaitQueue queue;
  Recorder in(EPOLLIN), out(EPOLLOUT);
  queue.Add(in);
  queue.Add(out);
  queue.Notify(EPOLLIN);
  EXPECT_EQ(in.calls, 1);
  EXPECT_EQ(out.calls, 0);
  queue.Remove(in);
  queue.Remove(out);
  EXPECT_TRUE(queue.empty());
}

TEST(WaitQueue, ErrorsAndHangUpsReachEverybody) {
  WaitQueue queue;
  Recorder in(EPOLLIN);
  queue.Add(in);
  queue.Notify(EPOLLHUP);
  EXPECT_EQ(in.seen, EventMask{EPOLLHUP});
  queue.Remove(in);
}

TEST(WaitQueue, OneExclusiveWaiterThatCanUseIt) {
  WaitQueue queue;
  Recorder busy(EPOLLIN), first(EPOLLIN), second(EPOLLIN), shared(EPOLLIN);
  busy.useful = false;
  for (Recorder* w : {&busy, &first, &second}) w->set_exclusive(true);
  for (Recorder* w : {&busy, &first, &second, &shared}) queue.Add(*w);
  queue.Notify(EPOLLIN);
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 0);
  EXPECT_EQ(shared.calls, 1);
  for (Recorder* w : {&busy, &first, &second, &shared}) queue.Remove(*w);
}

TEST(WaitQueue, RemovingTwiceIsHarmless) {
  WaitQueue queue;
  Recorder in(EPOLLIN);
  queue.Add(in);
  queue.Remove(in);
  queue.Remove(in);
  queue.Notify(EPOLLIN);
  EXPECT_EQ(in.calls, 0);
}

}  // namespace
}  // namespace runsc
