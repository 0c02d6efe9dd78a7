// See the header of the class under test.
#include "sentry/fs/pipe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace runsc {
namespace {

class PipeTest : public testing::Test {
 protected:
  PipeTest() { pipe_->AddEnds(true, true); }

  Result<size_t> Write(const std::string& data, bool packets = false) {
    BufferSource src(std::as_bytes(std::span(data)));
    return pipe_->Write(src, packets);
  }
  Result<std::string> Read(size_t size) {
    std::string data(size, '\0');
    BufferSink sink(std::as_writable_bytes(std::span(data)));
    data.resize(TRY(pipe_->Read(sink)));
    return data;
  }

  RefPtr<Pipe> pipe_ = MakeRef<Pipe>();
};

TEST_F(PipeTest, BytesComeOutInOrderAcrossTheRingsEnd) {
  std::string in, out;
  for (int i = 0; i < 100; ++i) {
    const std::string piece(3000, static_cast<char>('a' + i % 26));
    ASSERT_EQ(*Write(piece), piece.size());
    in += piece;
    out += *Read(3000);
  }
  EXPECT_EQ(in, out);
}

TEST_F(PipeTest, EmptyPipeWouldBlockUntilTheWriterGoes) {
  EXPECT_EQ(Read(1).error(), Errno(EAGAIN));
  pipe_->RemoveEnds(false, true);
  EXPECT_EQ(*Read(1), "");
}

TEST_F(PipeTest, WritingWithoutReadersBreaks) {
  pipe_->RemoveEnds(true, false);
  EXPECT_EQ(Write("x").error(), Errno(EPIPE));
  EXPECT_TRUE(pipe_->WriteReadiness() & EPOLLERR);
}

TEST_F(PipeTest, SmallWritesAreWholeOrNotAtAll) {
  ASSERT_EQ(*Write(std::string(65536 - 100, 'x')), 65536u - 100);
  EXPECT_EQ(Write(std::string(101, 'y')).error(), Errno(EAGAIN));
  EXPECT_EQ(Write(std::string(5000, 'z')).error(), Errno(EAGAIN));
  EXPECT_EQ(*Write(std::string(100, 'z')), 100u);
  EXPECT_EQ(pipe_->WriteReadiness(), 0u);
  EXPECT_EQ(Read(70000)->size(), 65536u);
}

TEST_F(PipeTest, SlotsAreFreeWhenAllOfThemWasRead) {
  ASSERT_EQ(*Write(std::string(4095, 'a')), 4095u);
  ASSERT_EQ(*Write("bb"), 2u);  // does not fit behind
  ASSERT_EQ(*Write(std::string(65536, 'c')), 14u * 4096);
  EXPECT_EQ(pipe_->available(), 4097u + 14 * 4096);
  ASSERT_EQ(Read(4094)->size(), 4094u);
  EXPECT_EQ(Write("d").error(), Errno(EAGAIN));
  EXPECT_EQ(*Read(1), "a");
  EXPECT_EQ(*Write("d"), 1u);
  EXPECT_EQ(*Read(2), "bb");
  EXPECT_EQ(*Read(70000), std::string(14 * 4096, 'c') + "d");
}

// A short read keeps what was not taken.
TEST_F(PipeTest, ShortReadsLoseNothing) {
  ASSERT_TRUE(Write("0123456789").ok());
  char few[4];
  BufferSink sink(std::as_writable_bytes(std::span(few)));
  EXPECT_EQ(*pipe_->Read(sink), 4u);
  EXPECT_EQ(*Read(100), "456789");
}

TEST_F(PipeTest, PacketsKeepTheirBounds) {
  ASSERT_TRUE(Write("first", true).ok());
  ASSERT_TRUE(Write("second", true).ok());
  EXPECT_EQ(*Read(3), "fir");  // the rest of the packet is lost
  EXPECT_EQ(*Read(100), "second");
  EXPECT_EQ(Read(1).error(), Errno(EAGAIN));
}

TEST_F(PipeTest, CapacityIsRoundedBoundedAndNeverLosesData) {
  EXPECT_EQ(*pipe_->SetCapacity(0), 4096u);
  EXPECT_EQ(*pipe_->SetCapacity(65536), 65536u);
  EXPECT_EQ(pipe_->SetCapacity(Pipe::kMaxCapacity + 1).error(), Errno(EPERM));
  ASSERT_TRUE(Write(std::string(10000, 'x')).ok());
  EXPECT_EQ(pipe_->SetCapacity(4096).error(), Errno(EBUSY));
  EXPECT_EQ(*pipe_->SetCapacity(10001), 16384u);
  EXPECT_EQ(*Read(20000), std::string(10000, 'x'));
}

TEST_F(PipeTest, WritersWakeWhenAnAtomicWriteFits) {
  struct Counter : Waiter {
    Counter() : Waiter(EPOLLOUT) {}
    void OnNotify(EventMask) override { ++calls; }
    int calls = 0;
  } counter;
  ASSERT_TRUE(Write(std::string(65536, 'x')).ok());
  pipe_->queue().Add(counter);
  for (int i = 0; i < 4095; ++i) ASSERT_TRUE(Read(1).ok());
  EXPECT_EQ(counter.calls, 0);
  ASSERT_TRUE(Read(1).ok());
  EXPECT_EQ(counter.calls, 1);
  pipe_->queue().Remove(counter);
}

// The stub's side, as a test wants it to be.
class FakeQueue final : public WriteQueue {
 public:
  void Open(int, uint32_t start, uint32_t limit) override { open_ = true, position_ = start, limit_ = limit; }
  void Close() override { open_ = false; }
  uint32_t position() const override { return position_; }
  uint32_t PageEnd(uint32_t page) const override { return ends_[page]; }
  uint32_t calls() const override { return 0; }
  const std::byte* bytes() const override { return bytes_; }

  bool Write(const std::string& data) {
    const uint32_t used = position_ % kPage, size = static_cast<uint32_t>(data.size());
    const uint32_t start = used + size <= kPage ? position_ : position_ - used + kPage;
    if (!open_ || start + size > limit_) return false;
    if (start != position_) ends_[position_ / kPage] = used;
    std::copy_n(reinterpret_cast<const std::byte*>(data.data()), size, bytes_ + start);
    position_ = start + size;
    if (position_ % kPage == 0) ends_[start / kPage] = kPage;
    return true;
  }
  bool open() const { return open_; }
  uint32_t limit() const { return limit_; }

  uint32_t position_ = 0, ends_[16] = {};

 private:
  bool open_ = false;
  uint32_t limit_ = 0;
  std::byte bytes_[kSize];
};

class WriteBehindTest : public PipeTest {
 protected:
  // With one byte in the pipe: only who has written writes behind.
  void Begin() {
    ASSERT_EQ(*Write("0"), 1u);
    ASSERT_TRUE(pipe_->BeginWriteBehind(queue_, 1));
  }
  FakeQueue queue_;
};

TEST_F(WriteBehindTest, ReadersSeeWhatWasWritten) {
  Begin();
  EXPECT_TRUE(queue_.Write("abc"));
  EXPECT_EQ(pipe_->available(), 4u);
  EXPECT_EQ(*Read(2), "0a");
  EXPECT_TRUE(queue_.Write("de"));
  EXPECT_EQ(*Read(10), "bcde");
  EXPECT_TRUE(queue_.open());
  EXPECT_EQ(pipe_->EndWriteBehind(), 5u);
  EXPECT_EQ(*Write("f"), 1u);
  EXPECT_EQ(*Read(10), "f");
}

TEST_F(WriteBehindTest, WhoFindsNothingStopsIt) {
  Begin();
  EXPECT_EQ(*Read(10), "0");
  EXPECT_EQ(Read(10).error(), Errno(EAGAIN));
  EXPECT_FALSE(queue_.open());
  pipe_->EndWriteBehind();
  Begin();
  EXPECT_EQ(*Read(10), "0");
  EXPECT_EQ(pipe_->ReadReadiness(), 0u);
  EXPECT_FALSE(queue_.open());
}

class NoWaiter : public Waiter {
 public:
  NoWaiter() : Waiter(EPOLLIN) {}
  void OnNotify(EventMask) override {}
};

TEST_F(WriteBehindTest, NotWhileSomebodyWaits) {
  Begin();
  EXPECT_TRUE(queue_.Write("abc"));
  NoWaiter waiter;
  pipe_->queue().Add(waiter);
  EXPECT_TRUE(pipe_->ReadReadiness() & EPOLLIN);
  EXPECT_FALSE(queue_.open());
  pipe_->EndWriteBehind();
  EXPECT_FALSE(pipe_->BeginWriteBehind(queue_, 1));
  pipe_->queue().Remove(waiter);
  EXPECT_TRUE(pipe_->BeginWriteBehind(queue_, 1));
  EXPECT_EQ(*Read(10), "0abc");
}

TEST_F(WriteBehindTest, OtherWritersComeAfterIt) {
  Begin();
  EXPECT_TRUE(queue_.Write("abc"));
  EXPECT_EQ(*Write("d"), 1u);
  EXPECT_FALSE(queue_.open());
  EXPECT_EQ(*Read(10), "0abcd");
}

TEST_F(WriteBehindTest, FillsTheSlotsThatAreFree) {
  Begin();
  const std::string piece(3000, 'p');
  int written = 0;
  while (queue_.Write(piece)) ++written;
  EXPECT_EQ(written, 16);
  EXPECT_EQ(pipe_->WriteReadiness(), 0u);
  EXPECT_EQ(pipe_->EndWriteBehind(), 48000u);
  EXPECT_EQ(Write(piece).error(), Errno(EAGAIN));
  EXPECT_EQ(Read(100000)->size(), 48001u);
}

TEST_F(WriteBehindTest, SmallPipesHaveNoMoreRoomThanTheirSlots) {
  ASSERT_EQ(*pipe_->SetCapacity(4096), 4096u);
  Begin();
  EXPECT_EQ(queue_.limit(), 4096u);
  EXPECT_EQ(*Read(1), "0");  // the slot's beginning is not free before it is left
  pipe_->EndWriteBehind();
  ASSERT_TRUE(pipe_->BeginWriteBehind(queue_, 1));
  EXPECT_LE(queue_.limit(), 4096u);
  EXPECT_TRUE(queue_.Write(std::string(4096, 'x')));
  EXPECT_EQ(*Read(5000), std::string(4096, 'x'));
}

TEST_F(WriteBehindTest, NoReaderNoWriting) {
  Begin();
  pipe_->RemoveEnds(true, false);
  EXPECT_FALSE(queue_.open());
  pipe_->EndWriteBehind();
  EXPECT_FALSE(pipe_->BeginWriteBehind(queue_, 1));
}

TEST_F(WriteBehindTest, LiesAreDropped) {
  Begin();
  queue_.position_ = 3 * 4096 + 5;  // the pages between were never filled
  EXPECT_EQ(*Read(100), "0");
  EXPECT_EQ(Read(100).error(), Errno(EAGAIN));
  EXPECT_EQ(pipe_->EndWriteBehind(), 0u);
  Begin();
  queue_.position_ = ~0u >> 1;
  for (uint32_t& end : queue_.ends_) end = 9999;
  EXPECT_EQ(*Read(100000), "0");
  queue_.position_ = 0;  // backwards
  EXPECT_EQ(pipe_->available(), 0u);
  EXPECT_EQ(pipe_->EndWriteBehind(), 0u);
  EXPECT_EQ(*Write("x"), 1u);
  EXPECT_EQ(*Read(10), "x");
}

}  // namespace
}  // namespace runsc
