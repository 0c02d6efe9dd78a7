#include "sentry/ipc/messages.h"

#include <algorithm>
#include <climits>

#include "sentry/ipc/ipc_wait.h"

namespace runsc {

Result<bool> MessageQueue::TrySendLocked(Message& message, int pid) {
  TRY(CheckLiveLocked());
  // Empty messages take no bytes: their number is limited instead.
  if (message.text.size() > limit_ - std::min(bytes_, limit_) || messages_.size() + 1 > limit_) return false;
  bytes_ += message.text.size();
  messages_.push_back(std::move(message));
  sender_ = pid;
  sent_ = Now();
  return true;
}

std::deque<MessageQueue::Message>::iterator MessageQueue::FindLocked(const Wish& wish) {
  if (wish.flags & MSG_COPY) {
    const bool exists = wish.type >= 0 && static_cast<size_t>(wish.type) < messages_.size();
    return exists ? messages_.begin() + wish.type : messages_.end();
  }
  if (wish.type == 0) return messages_.begin();
  if (wish.type > 0) {
    const bool except = wish.flags & MSG_EXCEPT;
    return std::find_if(messages_.begin(), messages_.end(),
                        [&](const Message& m) { return (m.type == wish.type) != except; });
  }
  // The first of the lowest type up to the absolute value.
  const long highest = wish.type == LONG_MIN ? LONG_MAX : -wish.type;
  const auto lowest = std::min_element(messages_.begin(), messages_.end(),
                                       [](const Message& a, const Message& b) { return a.type < b.type; });
  return lowest != messages_.end() && lowest->type <= highest ? lowest : messages_.end();
}

Result<bool> MessageQueue::TryReceiveLocked(const Wish& wish, int pid, Message& message) {
  TRY(CheckLiveLocked());
  const auto found = FindLocked(wish);
  if (found == messages_.end()) return false;
  if (found->text.size() > wish.room && !(wish.flags & MSG_NOERROR)) return Errno(E2BIG);
  if (wish.flags & MSG_COPY) {
    message = *found;
    return true;
  }
  bytes_ -= found->text.size();
  message = std::move(*found);
  messages_.erase(found);
  receiver_ = pid;
  received_ = Now();
  return true;
}

struct msqid_ds MessageQueue::StatLocked() const {
  struct msqid_ds stat {};
  FillLocked(stat.msg_perm);
  stat.msg_stime = sent_, stat.msg_rtime = received_, stat.msg_ctime = changed_;
  stat.__msg_cbytes = bytes_;
  stat.msg_qnum = messages_.size();
  stat.msg_qbytes = limit_;
  stat.msg_lspid = sender_, stat.msg_lrpid = receiver_;
  return stat;
}

void MessageQueue::SetLimitLocked(size_t bytes) {
  limit_ = bytes;
  changed_ = Now();
}

Result<int> MessageQueues::Get(Task& task, key_t key, int flags) {
  const auto check = [&](MessageQueue& queue) -> Result<void> {
    MutexLock l(queue.mu());
    return queue.CheckAccessLocked(*task.creds(), flags & 0777);
  };
  return table_.Get(key, flags, check, [&]() -> Result<RefPtr<MessageQueue>> {
    return MakeRef<MessageQueue>(*task.creds(), key, flags, limits_.msg_mnb.load());
  });
}

namespace {

// A call interrupted by a handler is never restarted (signal(7)).
Result<void> Interrupted(const Result<void>& outcome) {
  return outcome.error() == kRestartSys ? Result<void>(kRestartNoHand) : outcome;
}

}  // namespace

Result<void> MessageQueues::Send(Task& task, int id, MessageQueue::Message message, int flags) {
  if (message.text.size() > limits_.msg_max.load()) return Errno(EINVAL);
  const RefPtr<MessageQueue> queue = TRY(table_.Find(id));
  TRY(Interrupted(WaitUntilDone(task, queue->queue(), EPOLLOUT, kNever, [&]() -> Result<bool> {
    MutexLock l(queue->mu());
    TRY(queue->CheckAccessLocked(*task.creds(), 0222));
    const bool sent = TRY(queue->TrySendLocked(message, task.pid()));
    return sent || !(flags & IPC_NOWAIT) ? Result<bool>(sent) : Errno(EAGAIN);
  })));
  queue->queue().Notify(EPOLLIN);
  return {};
}

Result<MessageQueue::Message> MessageQueues::Receive(Task& task, int id, const MessageQueue::Wish& wish) {
  const RefPtr<MessageQueue> queue = TRY(table_.Find(id));
  MessageQueue::Message message{};
  TRY(Interrupted(WaitUntilDone(task, queue->queue(), EPOLLIN, kNever, [&]() -> Result<bool> {
    MutexLock l(queue->mu());
    TRY(queue->CheckAccessLocked(*task.creds(), 0444));
    const bool received = TRY(queue->TryReceiveLocked(wish, task.pid(), message));
    return received || !(wish.flags & IPC_NOWAIT) ? Result<bool>(received) : Errno(ENOMSG);
  })));
  queue->queue().Notify(EPOLLOUT);
  return message;
}

Result<void> MessageQueues::Remove(Task& task, int id) {
  const RefPtr<MessageQueue> queue = TRY(table_.Find(id));
  {
    MutexLock l(queue->mu());
    TRY(queue->CheckLiveLocked());
    TRY(queue->CheckOwnerLocked(*task.creds()));
    queue->SetRemovedLocked();
  }
  table_.Remove(*queue);
  queue->queue().Notify(EPOLLIN | EPOLLOUT);
  return {};
}

}  // namespace runsc
