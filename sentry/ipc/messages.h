// System V message queues (msgget(2), msgop(2), msgctl(2)).
#pragma once

#include <sys/msg.h>

#include <deque>
#include <string>

#include "sentry/ipc/ipc_limits.h"
#include "sentry/ipc/ipc_table.h"
#include "sentry/vfs/wait_queue.h"

namespace runsc {

class Task;

class MessageQueue : public IpcObject {
 public:
  struct Message {
    long type;
    std::string text;
  };
  // What msgrcv(2) wants.
  struct Wish {
    long type = 0;
    size_t room = 0;
    int flags = 0;
  };

  MessageQueue(const Credentials& creds, key_t key, uint32_t mode, size_t limit)
      : IpcObject(creds, key, mode), limit_(limit), changed_(Now()) {}
  WaitQueue& queue() { return queue_; }

  // False while there is no room. EIDRM.
  Result<bool> TrySendLocked(Message& message, int pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // False while there is nothing of the wanted type. E2BIG, EIDRM.
  Result<bool> TryReceiveLocked(const Wish& wish, int pid, Message& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  struct msqid_ds StatLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetLimitLocked(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  size_t bytes_locked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return bytes_; }
  size_t count_locked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return messages_.size(); }

 private:
  std::deque<Message>::iterator FindLocked(const Wish& wish) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  std::deque<Message> messages_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0, limit_ ABSL_GUARDED_BY(mu_);
  int sender_ ABSL_GUARDED_BY(mu_) = 0, receiver_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t sent_ ABSL_GUARDED_BY(mu_) = 0, received_ ABSL_GUARDED_BY(mu_) = 0, changed_ ABSL_GUARDED_BY(mu_);
  WaitQueue queue_;  // EPOLLIN: a message came; EPOLLOUT: there is room
};

class MessageQueues {
 public:
  explicit MessageQueues(const IpcLimits& limits) : limits_(limits), table_(limits.msg_mni) {}
  Result<int> Get(Task& task, key_t key, int flags);
  Result<void> Send(Task& task, int id, MessageQueue::Message message, int flags);
  Result<MessageQueue::Message> Receive(Task& task, int id, const MessageQueue::Wish& wish);
  Result<void> Remove(Task& task, int id);
  IpcTable<MessageQueue>& table() { return table_; }

 private:
  const IpcLimits& limits_;
  IpcTable<MessageQueue> table_;
};

}  // namespace runsc
