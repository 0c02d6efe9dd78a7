#include "sentry/ipc/messages.h"

#include <gtest/gtest.h>

#include <climits>

namespace runsc {
namespace {

constexpr size_t kLimit = 16384;

RefPtr<MessageQueue> NewQueue() {
  static const auto root = MakeRef<Credentials>();
  return MakeRef<MessageQueue>(*root, IPC_PRIVATE, 0600, kLimit);
}

bool Send(MessageQueue& queue, long type, std::string text) {
  MessageQueue::Message message{type, std::move(text)};
  MutexLock l(queue.mu());
  const auto sent = queue.TrySendLocked(message, 1);
  return sent.ok() && *sent;
}

// The text, or "none".
std::string Receive(MessageQueue& queue, long type, int flags = 0, size_t room = 100) {
  MessageQueue::Message message{};
  MutexLock l(queue.mu());
  const auto received = queue.TryReceiveLocked({type, room, flags}, 1, message);
  if (!received.ok()) return "error " + std::to_string(received.error().value());
  return *received ? message.text : "none";
}

TEST(MessageQueueTest, ChoosesByType) {
  const auto queue = NewQueue();
  for (const long type : {5, 3, 4, 3}) Send(*queue, type, std::to_string(type));
  EXPECT_EQ(Receive(*queue, 4), "4");
  EXPECT_EQ(Receive(*queue, -4), "3");
  EXPECT_EQ(Receive(*queue, -2), "none");
  EXPECT_EQ(Receive(*queue, 5, MSG_EXCEPT), "3");
  EXPECT_EQ(Receive(*queue, LONG_MIN), "5");
  EXPECT_EQ(Receive(*queue, 0), "none");
}

TEST(MessageQueueTest, KeepsWhatIsTooLong) {
  const auto queue = NewQueue();
  Send(*queue, 1, "0123456789");
  EXPECT_EQ(Receive(*queue, 0, 0, 9), "error " + std::to_string(E2BIG));
  EXPECT_EQ(Receive(*queue, 0, MSG_COPY), "0123456789");
  EXPECT_EQ(Receive(*queue, 1, MSG_COPY), "none");
  EXPECT_EQ(Receive(*queue, 0, MSG_NOERROR, 9), "0123456789");
}

TEST(MessageQueueTest, IsFullByBytesAndByCount) {
  const auto queue = NewQueue();
  EXPECT_TRUE(Send(*queue, 1, std::string(kLimit - 1, 'x')));
  EXPECT_FALSE(Send(*queue, 1, "xx"));
  EXPECT_TRUE(Send(*queue, 1, "x"));
  const auto empty = NewQueue();
  {
    MutexLock l(empty->mu());
    empty->SetLimitLocked(2);
  }
  EXPECT_TRUE(Send(*empty, 1, ""));
  EXPECT_TRUE(Send(*empty, 1, ""));
  EXPECT_FALSE(Send(*empty, 1, ""));
}

TEST(IpcTableTest, TellsStaleIdsFromNewOnes) {
  const std::atomic<uint64_t> limit{2};
  IpcTable<MessageQueue> table(limit);
  const auto check = [](MessageQueue&) { return Result<void>(); };
  const auto make = []() -> Result<RefPtr<MessageQueue>> { return NewQueue(); };
  const int first = *table.Get(IPC_PRIVATE, IPC_CREAT, check, make);
  const int second = *table.Get(IPC_PRIVATE, IPC_CREAT, check, make);
  EXPECT_EQ(table.Get(IPC_PRIVATE, IPC_CREAT, check, make).error().value(), ENOSPC);
  table.Remove(**table.Find(first));
  EXPECT_EQ(table.Find(first).error().value(), EINVAL);
  const int third = *table.Get(IPC_PRIVATE, IPC_CREAT, check, make);
  EXPECT_NE(third, first);
  EXPECT_EQ(table.Find(first).error().value(), EIDRM);
  EXPECT_TRUE(table.Find(second).ok());
  EXPECT_EQ(table.HighestIndex(), 1);
}

TEST(IpcObjectTest, Permissions) {
  auto owner = MakeRef<Credentials>(), other = MakeRef<Credentials>();
  owner->euid = 10;
  other->euid = 20;
  other->egid = other->fsgid = 5;
  const auto queue = MakeRef<MessageQueue>(*owner, IPC_PRIVATE, 0604, kLimit);
  MutexLock l(queue->mu());
  EXPECT_TRUE(queue->CheckAccessLocked(*owner, 0222).ok());
  EXPECT_TRUE(queue->CheckAccessLocked(*other, 0444).ok());
  EXPECT_EQ(queue->CheckAccessLocked(*other, 0222).error().value(), EACCES);
  EXPECT_EQ(queue->CheckOwnerLocked(*other).error().value(), EPERM);
  EXPECT_TRUE(queue->CheckOwnerLocked(*owner).ok());
}

}  // namespace
}  // namespace runsc
