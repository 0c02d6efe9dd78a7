// See the header of the class under test.
#include "sentry/fs/epoll.h"

#include <gtest/gtest.h>

namespace runsc {
namespace {

RefPtr<AnonInode> Node() { return MakeRef<AnonInode>(AnonFs::Others(), 1, 0600, *MakeRef<Credentials>()); }

// A file whose readiness the test decides.
class FakeFile : public AnonFile {
 public:
  FakeFile() : AnonFile(Node(), "anon_inode:[fake]", O_RDWR) {}
  EventMask Readiness(EventMask mask) override { return ready & (mask | EPOLLHUP | EPOLLERR); }
  WaitQueue* wait_queue() override { return &queue; }
  void Become(EventMask events) {
    ready = events;
    queue.Notify(events);
  }
  EventMask ready = 0;
  WaitQueue queue;
};

class EpollTest : public testing::Test {
 protected:
  size_t Collect() { return epoll_->Collect(events_); }
  Result<void> Add(File& file, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = 42;
    return epoll_->Add(file, 3, event);
  }

  RefPtr<EpollFile> epoll_ = MakeRef<EpollFile>(Node());
  RefPtr<FakeFile> file_ = MakeRef<FakeFile>();
  epoll_event events_[4];
};

TEST_F(EpollTest, LevelTriggeredRepeats) {
  ASSERT_TRUE(Add(*file_, EPOLLIN).ok());
  EXPECT_EQ(Collect(), 0u);
  file_->Become(EPOLLIN);
  EXPECT_EQ(Collect(), 1u);
  EXPECT_EQ(uint64_t{events_[0].data.u64}, 42u);
  EXPECT_EQ(Collect(), 1u);
  file_->ready = 0;
  EXPECT_EQ(Collect(), 0u);
}

TEST_F(EpollTest, EdgeTriggeredTellsOncePerChange) {
  file_->ready = EPOLLIN;
  ASSERT_TRUE(Add(*file_, EPOLLIN | EPOLLET).ok());
  EXPECT_EQ(Collect(), 1u);
  EXPECT_EQ(Collect(), 0u);
  file_->Become(EPOLLIN);
  EXPECT_EQ(Collect(), 1u);
}

TEST_F(EpollTest, OneShotMustBeArmedAgain) {
  file_->ready = EPOLLIN;
  ASSERT_TRUE(Add(*file_, EPOLLIN | EPOLLONESHOT).ok());
  EXPECT_EQ(Collect(), 1u);
  file_->Become(EPOLLIN);
  EXPECT_EQ(Collect(), 0u);
  epoll_event again{};
  again.events = EPOLLIN;
  ASSERT_TRUE(epoll_->Modify(*file_, 3, again).ok());
  EXPECT_EQ(Collect(), 1u);
}

TEST_F(EpollTest, InterestGoesWithTheDescription) {
  file_->ready = EPOLLIN;
  ASSERT_TRUE(Add(*file_, EPOLLIN).ok());
  file_.reset();
  EXPECT_EQ(Collect(), 0u);
  EXPECT_EQ(epoll_->ready_bound(), 0u);
}

TEST_F(EpollTest, RefusesDuplicatesAndUnknowns) {
  ASSERT_TRUE(Add(*file_, EPOLLIN).ok());
  EXPECT_EQ(Add(*file_, EPOLLIN).error(), Errno(EEXIST));
  EXPECT_TRUE(epoll_->Remove(*file_, 3).ok());
  EXPECT_EQ(epoll_->Remove(*file_, 3).error(), Errno(ENOENT));
}

TEST_F(EpollTest, NestedInstancesWorkButLoopsAndTowersDoNot) {
  RefPtr<EpollFile> outer = MakeRef<EpollFile>(Node());
  epoll_event event{};
  event.events = EPOLLIN;
  ASSERT_TRUE(outer->Add(*epoll_, 4, event).ok());
  ASSERT_TRUE(Add(*file_, EPOLLIN).ok());
  EXPECT_EQ(outer->Collect(events_), 0u);
  file_->Become(EPOLLIN);
  EXPECT_EQ(outer->Collect(events_), 1u);
  EXPECT_EQ(epoll_->Add(*outer, 5, event).error(), Errno(ELOOP));
  std::vector<RefPtr<EpollFile>> tower{epoll_};
  Result<void> added;
  for (int i = 0; i < 8 && added.ok(); ++i) {
    tower.push_back(MakeRef<EpollFile>(Node()));
    added = tower[tower.size() - 2]->Add(*tower.back(), 6, event);
  }
  EXPECT_EQ(added.error(), Errno(ELOOP));
}

}  // namespace
}  // namespace runsc
