// System V message queues: msgget(2), msgop(2), msgctl(2).
#include <climits>

#include "sentry/ipc/ipc_namespace.h"
#include "sentry/kernel/pids.h"
#include "syscalls/ipc_handlers.h"

#ifndef MSG_STAT_ANY
#define MSG_STAT_ANY 13
#endif

namespace runsc {
namespace {

MessageQueues& Queues(Task& task) { return IpcOf(task).messages; }

SyscallResult Stat(Task& task, int id, int command, GuestAddr buf) {
  const RefPtr<MessageQueue> queue =
      command == IPC_STAT ? TRY(Queues(task).table().Find(id)) : TRY(Queues(task).table().FindIndex(id));
  struct msqid_ds stat;
  {
    MutexLock l(queue->mu());
    TRY(queue->CheckLiveLocked());
    if (command != MSG_STAT_ANY) TRY(queue->CheckAccessLocked(*task.creds(), 0444));
    stat = queue->StatLocked();
  }
  stat.msg_lspid = PidToGuest(task, stat.msg_lspid);
  stat.msg_lrpid = PidToGuest(task, stat.msg_lrpid);
  TRY(task.CopyOutObject(buf, stat));
  return command == IPC_STAT ? 0 : queue->id();
}

SyscallResult Set(Task& task, int id, GuestAddr buf) {
  const auto wanted = TRY(task.CopyInObject<struct msqid_ds>(buf));
  const RefPtr<MessageQueue> queue = TRY(Queues(task).table().Find(id));
  {
    MutexLock l(queue->mu());
    TRY(queue->CheckLiveLocked());
    TRY(queue->CheckOwnerLocked(*task.creds()));
    if (wanted.msg_qbytes > IpcOf(task).limits.msg_mnb.load() && !task.creds()->Has(CAP_SYS_RESOURCE))
      return Errno(EPERM);
    queue->SetOwnerLocked(wanted.msg_perm);
    queue->SetLimitLocked(wanted.msg_qbytes);
  }
  queue->queue().Notify(EPOLLIN | EPOLLOUT);
  return 0;
}

SyscallResult Info(Task& task, int command, GuestAddr buf) {
  struct msginfo info {};
  const IpcLimits& limits = IpcOf(task).limits;
  const int mnb = static_cast<int>(limits.msg_mnb.load()), mni = static_cast<int>(limits.msg_mni.load());
  info.msgmax = static_cast<int>(limits.msg_max.load()), info.msgmnb = mnb, info.msgmni = mni;
  info.msgssz = 16, info.msgseg = 0xffff;
  info.msgpool = static_cast<int>(int64_t{mni} * mnb / 1024), info.msgmap = info.msgtql = mnb;
  if (command == MSG_INFO) {
    info.msgpool = info.msgmap = info.msgtql = 0;
    for (const auto& queue : Queues(task).table().All()) {
      MutexLock l(queue->mu());
      info.msgpool++;
      info.msgmap += static_cast<int>(queue->count_locked());
      info.msgtql += static_cast<int>(queue->bytes_locked());
    }
  }
  TRY(task.CopyOutObject(buf, info));
  return Queues(task).table().HighestIndex();
}

}  // namespace

// msgget(2)
SyscallResult SysMsgget(Task& task, int key, int flags) { return TRY(Queues(task).Get(task, key, flags)); }

// msgsnd(2)
SyscallResult SysMsgsnd(Task& task, int id, GuestAddr message_addr, uint64_t size, int flags) {
  const long type = TRY(task.CopyInObject<long>(message_addr));
  if (size > IpcOf(task).limits.msg_max.load() || id < 0 || type < 1) return Errno(EINVAL);
  MessageQueue::Message message{type, std::string(size, '\0')};
  TRY(task.CopyIn(message_addr + sizeof(long), message.text.data(), size));
  TRY(Queues(task).Send(task, id, std::move(message), flags));
  return 0;
}

// msgrcv(2)
SyscallResult SysMsgrcv(Task& task, int id, GuestAddr message_addr, uint64_t size, int64_t type, int flags) {
  if (id < 0 || static_cast<int64_t>(size) < 0) return Errno(EINVAL);
  if ((flags & MSG_COPY) && ((flags & MSG_EXCEPT) || !(flags & IPC_NOWAIT))) return Errno(EINVAL);
  const auto message = TRY(Queues(task).Receive(task, id, {type, size, flags}));
  const size_t copied = std::min<size_t>(message.text.size(), size);
  TRY(task.CopyOutObject(message_addr, message.type));
  TRY(task.CopyOut(message_addr + sizeof(long), message.text.data(), copied));
  return static_cast<int64_t>(copied);
}

// msgctl(2)
SyscallResult SysMsgctl(Task& task, int id, int command, GuestAddr buf) {
  if (id < 0 || command < 0) return Errno(EINVAL);
  switch (command) {
    case IPC_STAT:
    case MSG_STAT:
    case MSG_STAT_ANY:
      return Stat(task, id, command, buf);
    case IPC_SET:
      return Set(task, id, buf);
    case IPC_RMID:
      TRY(Queues(task).Remove(task, id));
      return 0;
    case IPC_INFO:
    case MSG_INFO:
      return Info(task, command, buf);
    default:
      return Errno(EINVAL);
  }
}

}  // namespace runsc
