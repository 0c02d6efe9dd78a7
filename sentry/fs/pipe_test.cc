// See the header of the class under test.
#include "sentry/fs/pipe.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace runsc
