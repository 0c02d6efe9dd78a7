// Streams of bytes: order, growth, the end, urgent data.
#include "sentry/net/byte_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace runsc {
namespace {

size_t Put(ByteQueue& queue, const std::string& text, bool urgent = false) {
  BufferSource source(std::as_bytes(std::span(text)));
  const auto n = queue.Write(source, {.urgent = urgent});
  return n.ok() ? *n : 0;
}

std::string Get(ByteQueue& queue, size_t size, ByteQueue::ReadMode mode = {}) {
  std::string text(size, '\0');
  BufferSink sink(std::as_writable_bytes(std::span(text)));
  bool made_room = false;
  const auto n = queue.Read(sink, mode, &made_room);
  return n.ok() ? text.substr(0, *n) : "error " + std::to_string(n.error().value());
}

std::string Error(int error) { return "error " + std::to_string(error); }

TEST(ByteQueue, GivesBytesInOrderAcrossTheRingsEnd) {
  ByteQueue queue;
  std::string expected, got;
  for (int i = 0; i < 500; ++i) {
    const std::string piece(100 + i % 37, static_cast<char>('a' + i % 26));
    ASSERT_EQ(Put(queue, piece), piece.size());
    expected += piece;
    got += Get(queue, 90 + i % 40);
  }
  while (queue.available() > 0) got += Get(queue, 1000);
  EXPECT_EQ(got, expected);
}

TEST(ByteQueue, TakesNoMoreThanItsLimitAndSaysWhenThereIsRoomAgain) {
  ByteQueue queue;
  queue.set_limit(100000);
  EXPECT_EQ(Put(queue, std::string(300000, 'x')), 100000u);
  EXPECT_FALSE(queue.writable());
  EXPECT_EQ(Put(queue, "y"), 0u);
  EXPECT_EQ(Get(queue, 60000).size(), 60000u);
  EXPECT_TRUE(queue.writable());
}

TEST(ByteQueue, EndsWhenClosedAndRead) {
  ByteQueue queue;
  EXPECT_EQ(Get(queue, 10), Error(EAGAIN));
  Put(queue, "last");
  queue.Close();
  EXPECT_EQ(Get(queue, 10), "last");
  EXPECT_EQ(Get(queue, 10), "");
}

TEST(ByteQueue, PeekLeavesTheBytes) {
  ByteQueue queue;
  Put(queue, "abc");
  EXPECT_EQ(Get(queue, 2, {.peek = true}), "ab");
  EXPECT_EQ(Get(queue, 10), "abc");
}

TEST(ByteQueue, StopsBeforeTheUrgentByteAndPassesOverIt) {
  ByteQueue queue;
  Put(queue, "ab");
  Put(queue, "c!", true);
  Put(queue, "de");
  EXPECT_EQ(Get(queue, 10), "abc");
  EXPECT_TRUE(queue.AtMark());
  std::string byte(1, '\0');
  BufferSink sink(std::as_writable_bytes(std::span(byte)));
  ASSERT_TRUE(queue.ReadUrgent(sink, false).ok());
  EXPECT_EQ(byte, "!");
  EXPECT_EQ(Get(queue, 10), "de");
  EXPECT_FALSE(queue.AtMark());
}

TEST(ByteQueue, UrgentInLineIsReadWithTheRest) {
  ByteQueue queue;
  Put(queue, "ab!", true);
  EXPECT_EQ(Get(queue, 10, {.urgent_inline = true}), "ab");
  EXPECT_EQ(Get(queue, 10, {.urgent_inline = true}), "!");
}

TEST(ByteQueue, WaitsForTheLowWaterMark) {
  ByteQueue queue;
  Put(queue, "abc");
  EXPECT_EQ(Get(queue, 10, {.at_least = 5}), Error(EAGAIN));
  Put(queue, "de");
  EXPECT_EQ(Get(queue, 10, {.at_least = 5}), "abcde");
}

}  // namespace
}  // namespace runsc
