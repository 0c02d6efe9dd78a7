// One POSIX message queue: messages by priority, who waits for them, who is told of them.
#include "sentry/fs/mqueue.h"

#include <unistd.h>

#include <cstdio>

#include "sentry/fs/memory_attr.h"
#include "sentry/ipc/ipc_wait.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/vfs/user_namespace.h"

namespace runsc {
namespace {

constexpr uint64_t kStatusSize = 80;  // what stat shows

// The sender as `receiver` knows him.
siginfo_t NoticeSignal(const Task& sender, const ThreadGroup& receiver, const sigevent& event) {
  siginfo_t info = UserSignal(sender, event.sigev_signo, SI_MESGQ);
  info.si_value = event.sigev_value;
  MutexLock l(sender.kernel().task_set_mu());
  if (receiver.leader == nullptr) return info;
  info.si_pid = PidToGuestLocked(*receiver.leader, sender.pid());
  info.si_uid = UidToGuest(receiver.leader->CredsSnapshot()->user_ns.get(), info.si_uid);
  return info;
}

}  // namespace

const char MqueueFile::kKind = 0;

MqueueInode::MqueueInode(MqueueFs& fs, std::string name, const NewFile& file, const Shape& shape, uid_t owner,
                         uint64_t charged)
    : SimpleNode(fs, S_IFREG | (file.mode & 07777)),
      name_(std::move(name)),
      shape_(shape),
      charged_to_(owner),
      charged_(charged) {
  attr_.mode = S_IFREG | (file.mode & 07777);
  attr_.uid = file.uid, attr_.gid = file.gid;
  attr_.size = kStatusSize;
  attr_.atime = attr_.mtime = attr_.ctime = RealtimeNow();
}

MqueueInode::~MqueueInode() { static_cast<MqueueFs&>(simple_fs()).Uncharge(charged_to_, charged_); }

Result<Attr> MqueueInode::GetAttr() {
  MutexLock l(mu_);
  Attr attr = attr_;
  attr.dev = fs().dev();
  attr.ino = ino();
  return attr;
}

Result<void> MqueueInode::SetAttr(const AttrChange& change) {
  MutexLock l(mu_);
  ApplyChange(change, attr_);
  return {};
}

Result<RefPtr<File>> MqueueInode::Open(Task&, const Path& path, int flags) {
  return RefPtr<File>(MakeRef<MqueueFile>(RefPtr<MqueueInode>(this), path, flags));
}

bool MqueueInode::TrySend(Message& message, std::optional<Notice>& due) {
  MutexLock l(mu_);
  if (messages_.size() >= static_cast<size_t>(shape_.max_messages)) return false;
  const bool was_empty = messages_.empty();
  bytes_ += message.text.size();
  messages_.emplace(message.priority, std::move(message.text));
  attr_.mtime = attr_.ctime = RealtimeNow();
  if (was_empty && receivers_ == 0) due.swap(notice_);
  return true;
}

Result<void> MqueueInode::Send(Task& task, std::string text, uint32_t priority, bool nonblocking, Deadline deadline) {
  Message message{std::move(text), priority};
  std::optional<Notice> due;
  TRY(WaitUntilDone(task, queue_, EPOLLOUT, deadline, [&]() -> Result<bool> {
    if (TrySend(message, due)) return true;
    return nonblocking ? Result<bool>(Errno(EAGAIN)) : false;
  }));
  queue_.Notify(EPOLLIN | EPOLLRDNORM);
  if (due) Tell(task, *due);
  return {};
}

void MqueueInode::Tell(Task& sender, const Notice& notice) {
  if (notice.tell) notice.tell(Happening::kCame);
  if (notice.event.sigev_notify != SIGEV_SIGNAL || notice.event.sigev_signo == 0) return;
  (void)SendToGroup(*notice.process, NoticeSignal(sender, *notice.process, notice.event));
}

bool MqueueInode::TryReceive(Message& message) {
  MutexLock l(mu_);
  if (messages_.empty()) return false;
  const auto first = messages_.begin();
  bytes_ -= first->second.size();
  message = {std::move(first->second), first->first};
  messages_.erase(first);
  attr_.atime = attr_.ctime = RealtimeNow();
  return true;
}

Result<MqueueInode::Message> MqueueInode::Receive(Task& task, bool nonblocking, Deadline deadline) {
  Message message;
  if (!TryReceive(message)) {
    if (nonblocking) return Errno(EAGAIN);
    const auto count_me = [this](int by) {
      MutexLock l(mu_);
      receivers_ += by;
    };
    count_me(1);
    const auto outcome =
        WaitUntilDone(task, queue_, EPOLLIN, deadline, [&]() -> Result<bool> { return TryReceive(message); });
    count_me(-1);
    TRY(outcome);
  }
  queue_.Notify(EPOLLOUT | EPOLLWRNORM);
  return message;
}

size_t MqueueInode::count() {
  MutexLock l(mu_);
  return messages_.size();
}

Result<void> MqueueInode::RequestNotice(Task& task, const sigevent& event, Teller tell) {
  MutexLock l(mu_);
  if (notice_) return Errno(EBUSY);
  notice_ = Notice{RefPtr<ThreadGroup>(&task.thread_group()), event, std::move(tell)};
  return {};
}

void MqueueInode::CancelNotice(const ThreadGroup& process) {
  std::optional<Notice> old;
  {
    MutexLock l(mu_);
    if (notice_ && notice_->process.get() == &process) old.swap(notice_);
  }
  if (old && old->tell) old->tell(Happening::kRemoved);
}

std::string MqueueInode::StatusLine(const Task& reader) {
  std::optional<Notice> notice;
  size_t bytes;
  {
    MutexLock l(mu_);
    notice = notice_;
    bytes = bytes_;
  }
  const bool signals = notice && notice->event.sigev_notify == SIGEV_SIGNAL;
  char text[kStatusSize + 1];
  std::snprintf(text, sizeof(text), "QSIZE:%-10zu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n", bytes,
                notice ? notice->event.sigev_notify : 0, signals ? notice->event.sigev_signo : 0,
                notice ? PidToGuest(reader, notice->process->pid()) : 0);
  return text;
}

EventMask MqueueInode::Readiness(EventMask mask) {
  MutexLock l(mu_);
  EventMask ready = 0;
  if (!messages_.empty()) ready |= EPOLLIN | EPOLLRDNORM;
  if (messages_.size() < static_cast<size_t>(shape_.max_messages)) ready |= EPOLLOUT | EPOLLWRNORM;
  return ready & mask;
}

MqueueFile::MqueueFile(RefPtr<MqueueInode> queue, const Path& path, int flags)
    : File(path, flags), fs_(RefPtr<FileSystem>(&queue->fs())), queue_(std::move(queue)) {}

Result<size_t> MqueueFile::Read(Task& task, IoSink& dst, const int64_t* offset) {
  const int64_t at = offset != nullptr ? *offset : offset_.load();
  if (at < 0) return Errno(EINVAL);
  const std::string text = queue_->StatusLine(task);
  if (static_cast<uint64_t>(at) >= text.size()) return size_t{0};
  const auto rest = std::as_bytes(std::span(text)).subspan(at);
  const size_t n = TRY(dst.Write(rest.first(std::min(rest.size(), dst.remaining()))));
  if (offset == nullptr) offset_ = at + static_cast<int64_t>(n);
  return n;
}

// Any close by the process that asked to be told takes its request back.
void MqueueFile::OnClose(Task* task) {
  if (task != nullptr) queue_->CancelNotice(task->thread_group());
  File::OnClose(task);
}

}  // namespace runsc
