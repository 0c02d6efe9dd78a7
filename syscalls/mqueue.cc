// POSIX message queues: mq_open(3), mq_send(3), mq_receive(3), mq_notify(3), mq_getattr(3), mq_unlink(3).
#include "sentry/fs/mqueue.h"

#include <algorithm>

#include "sentry/kernel/task.h"
#include "sentry/net/netlink_socket.h"
#include "sentry/vfs/permission.h"
#include "syscalls/fd_util.h"
#include "syscalls/ipc_handlers.h"

namespace runsc {
namespace {

constexpr size_t kNameMax = 255;

// One component: libc has taken the leading slash away.
Result<std::string> CopyInName(Task& task, GuestAddr addr) {
  std::string name = TRY(task.CopyInPath(addr));
  if (name.find('/') != std::string::npos || name == "." || name == "..") return Errno(EACCES);
  if (name.empty()) return Errno(ENOENT);
  return name.size() <= kNameMax ? Result<std::string>(std::move(name)) : Errno(ENAMETOOLONG);
}

// Keeps the open description, so that the queue cannot go meanwhile.
Result<RefPtr<File>> OpenQueue(Task& task, int fd) {
  RefPtr<File> file = TRY(task.fds().Get(fd));
  return FileAs<MqueueFile>(*file) != nullptr ? Result<RefPtr<File>>(std::move(file)) : Errno(EBADF);
}

MqueueInode& QueueOf(File& file) { return FileAs<MqueueFile>(file)->queue(); }

// An absolute CLOCK_REALTIME time.
Result<Deadline> CopyInDeadline(Task& task, GuestAddr addr) {
  if (addr == 0) return kNever;
  const auto time = TRY(task.CopyInObject<timespec>(addr));
  if (!IsValidTimespec(time)) return Errno(EINVAL);
  // Past ones are now: only what waits must hear that it is too late.
  return DeadlineAfter(Kernel::MonotonicNs(), std::max<int64_t>(ToNs(time) - Kernel::RealtimeNs(), 0));
}

Result<RefPtr<MqueueInode>> OpenExisting(Task& task, MqueueInode& queue, int flags) {
  if ((flags & O_CREAT) && (flags & O_EXCL)) return Errno(EEXIST);
  static constexpr int kWanted[] = {R_OK, W_OK, R_OK | W_OK};
  const int access = flags & O_ACCMODE;
  if (access == O_ACCMODE) return Errno(EINVAL);
  TRY(CheckMode(*task.creds(), TRY(queue.GetAttr()), kWanted[access]));
  return RefPtr<MqueueInode>(&queue);
}

Result<RefPtr<MqueueInode>> FindOrCreate(Task& task, const std::string& name, int flags, uint32_t mode,
                                         const mq_attr* attr) {
  const RefPtr<MqueueFs> queues = MqueuesOf(task);
  const Credentials& creds = *task.creds();
  for (;;) {
    if (const auto found = queues->Find(name); found.ok()) return OpenExisting(task, **found, flags);
    if (!(flags & O_CREAT)) return Errno(ENOENT);
    TRY(CheckMode(creds, TRY(queues->root()->GetAttr()), W_OK | X_OK));
    const NewFile file{S_IFREG | (mode & 07777 & ~task.fs().umask()), creds.fsuid, creds.fsgid, 0, ""};
    auto created = queues->Create(task, name, file, attr);
    if (created.ok() || !(created.error() == Errno(EEXIST))) return created;
    if (flags & O_EXCL) return Errno(EEXIST);  // else somebody was faster: open his
  }
}

}  // namespace

// mq_open(2)
SyscallResult SysMqOpen(Task& task, GuestAddr name_addr, int flags, uint32_t mode, GuestAddr attr_addr) {
  mq_attr attr{};
  const bool shaped = (flags & O_CREAT) && attr_addr != 0;
  if (shaped) attr = TRY(task.CopyInObject<mq_attr>(attr_addr));
  const std::string name = TRY(CopyInName(task, name_addr));
  const auto queue = TRY(FindOrCreate(task, name, flags, mode, shaped ? &attr : nullptr));
  constexpr int kKept = O_ACCMODE | O_NONBLOCK;
  RefPtr<File> file = MakeRef<MqueueFile>(queue, Path(), flags & kKept);
  return InstallFd(task, std::move(file), true);  // always close-on-exec
}

// mq_unlink(2)
SyscallResult SysMqUnlink(Task& task, GuestAddr name_addr) {
  TRY(MqueuesOf(task)->Unlink(task, TRY(CopyInName(task, name_addr))));
  return 0;
}

// mq_timedsend(2)
SyscallResult SysMqTimedsend(Task& task, int fd, GuestAddr text_addr, uint64_t size, uint32_t priority,
                             GuestAddr timeout_addr) {
  const Deadline deadline = TRY(CopyInDeadline(task, timeout_addr));
  if (priority >= kMqPriorities) return Errno(EINVAL);
  const RefPtr<File> file = TRY(OpenQueue(task, fd));
  if (!file->writable()) return Errno(EBADF);
  MqueueInode& queue = QueueOf(*file);
  if (size > static_cast<uint64_t>(queue.shape().max_size)) return Errno(EMSGSIZE);
  std::string text(size, '\0');
  TRY(task.CopyIn(text_addr, text.data(), size));
  TRY(queue.Send(task, std::move(text), priority, file->nonblocking(), deadline));
  return 0;
}

// mq_timedreceive(2)
SyscallResult SysMqTimedreceive(Task& task, int fd, GuestAddr text_addr, uint64_t size, GuestAddr priority_addr,
                                GuestAddr timeout_addr) {
  const Deadline deadline = TRY(CopyInDeadline(task, timeout_addr));
  const RefPtr<File> file = TRY(OpenQueue(task, fd));
  if (!file->readable()) return Errno(EBADF);
  MqueueInode& queue = QueueOf(*file);
  if (size < static_cast<uint64_t>(queue.shape().max_size)) return Errno(EMSGSIZE);
  const auto message = TRY(queue.Receive(task, file->nonblocking(), deadline));
  if (priority_addr != 0) TRY(task.CopyOutObject(priority_addr, message.priority));
  TRY(task.CopyOut(text_addr, message.text.data(), message.text.size()));
  return static_cast<int64_t>(message.text.size());
}

namespace {

// For SIGEV_THREAD libc has a thread that reads a netlink socket. It gives us that and a cookie, whose last byte says
// what happened when it comes back.
Result<MqueueInode::Teller> TellerFor(Task& task, const sigevent& event) {
  constexpr size_t kCookie = 32;
  std::string cookie(kCookie, '\0');
  TRY(task.CopyIn(reinterpret_cast<GuestAddr>(event.sigev_value.sival_ptr), cookie.data(), kCookie));
  const RefPtr<File> file = TRY(task.fds().Get(event.sigev_signo));
  if (file->socket() == nullptr) return Errno(ENOTSOCK);
  const RefPtr<NetlinkSocket> socket(FileAs<NetlinkSocket>(*file));
  if (!socket) return Errno(EINVAL);
  return MqueueInode::Teller([socket, cookie](MqueueInode::Happening happening) {
    std::string message = cookie;
    message.back() = static_cast<char>(happening);
    socket->Queue(std::move(message));
  });
}

Result<void> CheckNotice(const sigevent& event) {
  const int kind = event.sigev_notify;
  if (kind != SIGEV_NONE && kind != SIGEV_SIGNAL && kind != SIGEV_THREAD) return Errno(EINVAL);
  const bool is_signal = event.sigev_signo >= 0 && event.sigev_signo <= kMaxSignal;
  return kind == SIGEV_SIGNAL && !is_signal ? Errno(EINVAL) : Result<void>();
}

}  // namespace

// mq_notify(2)
SyscallResult SysMqNotify(Task& task, int fd, GuestAddr event_addr) {
  if (event_addr == 0) {
    const RefPtr<File> file = TRY(OpenQueue(task, fd));
    QueueOf(*file).CancelNotice(task.thread_group());
    return 0;
  }
  const auto event = TRY(task.CopyInObject<sigevent>(event_addr));
  TRY(CheckNotice(event));
  MqueueInode::Teller tell;
  if (event.sigev_notify == SIGEV_THREAD) tell = TRY(TellerFor(task, event));
  const RefPtr<File> file = TRY(OpenQueue(task, fd));
  TRY(QueueOf(*file).RequestNotice(task, event, std::move(tell)));
  return 0;
}

// mq_getsetattr(2)
SyscallResult SysMqGetsetattr(Task& task, int fd, GuestAddr new_addr, GuestAddr old_addr) {
  mq_attr wanted{};
  if (new_addr != 0) {
    wanted = TRY(task.CopyInObject<mq_attr>(new_addr));
    if (wanted.mq_flags & ~O_NONBLOCK) return Errno(EINVAL);
  }
  const RefPtr<File> file = TRY(OpenQueue(task, fd));
  MqueueInode& queue = QueueOf(*file);
  mq_attr old{};
  old.mq_flags = file->flags() & O_NONBLOCK;
  old.mq_maxmsg = queue.shape().max_messages, old.mq_msgsize = queue.shape().max_size;
  old.mq_curmsgs = static_cast<long>(queue.count());
  if (new_addr != 0) TRY(file->SetStatusFlags((file->flags() & ~O_NONBLOCK) | static_cast<int>(wanted.mq_flags)));
  if (old_addr != 0) TRY(task.CopyOutObject(old_addr, old));
  return 0;
}

}  // namespace runsc
