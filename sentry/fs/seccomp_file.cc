#include "sentry/fs/seccomp_file.h"

#include <sys/ioctl.h>
#include <sys/resource.h>

#include <algorithm>

#include "sentry/kernel/pids.h"

namespace runsc {
namespace {

constexpr uint32_t kAddFdFlags = SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND;

Result<int> InstallInto(Task& target, RefPtr<File> file, const seccomp_notif_addfd& request) {
  RefPtr<FdTable> fds = target.FdsSnapshot();
  if (!fds) return Errno(ESRCH);
  const bool cloexec = request.newfd_flags & O_CLOEXEC;
  const uint64_t limit = target.rlimit(RLIMIT_NOFILE);
  if (!(request.flags & SECCOMP_ADDFD_FLAG_SETFD)) return fds->Install(std::move(file), cloexec, 0, limit);
  const int fd = static_cast<int>(request.newfd);
  RefPtr<File> replaced = TRY(fds->InstallAt(fd, std::move(file), cloexec, limit));
  if (replaced) replaced->OnClose(&target);
  return fd;
}

}  // namespace

Result<int64_t> SeccompFile::Receive(Task& task, GuestAddr addr) {
  // What is there must be zero: room for extensions.
  const auto given = TRY(task.CopyInObject<seccomp_notif>(addr));
  const auto* bytes = reinterpret_cast<const char*>(&given);
  if (std::any_of(bytes, bytes + sizeof(given), [](char c) { return c != 0; })) return Errno(EINVAL);
  const SeccompNotice notice =
      TRY(BlockUntil(task, listener_->events(), EPOLLIN | EPOLLHUP, kNever, [&] { return listener_->Take(); }));
  seccomp_notif out{};
  out.id = notice.id;
  out.pid = static_cast<uint32_t>(PidToGuest(task, notice.task->tid()));
  out.data = notice.data;
  if (const auto told = task.CopyOutObject(addr, out); !told.ok()) {
    listener_->PutBack(notice.id);
    return told.error();
  }
  listener_->events().Notify(EPOLLOUT);
  return int64_t{0};
}

Result<int64_t> SeccompFile::Send(Task& task, GuestAddr addr) {
  const auto answer = TRY(task.CopyInObject<seccomp_notif_resp>(addr));
  if (answer.flags & ~uint32_t{SECCOMP_USER_NOTIF_FLAG_CONTINUE}) return Errno(EINVAL);
  if ((answer.flags & SECCOMP_USER_NOTIF_FLAG_CONTINUE) && (answer.error != 0 || answer.val != 0)) return Errno(EINVAL);
  TRY(listener_->Answer(answer));
  return int64_t{0};
}

Result<int64_t> SeccompFile::AddFd(Task& task, GuestAddr addr, size_t size) {
  if (size < sizeof(seccomp_notif_addfd) || size > 4096) return Errno(EINVAL);
  const auto request = TRY(task.CopyInObject<seccomp_notif_addfd>(addr));
  if ((request.newfd_flags & ~uint32_t{O_CLOEXEC}) || (request.flags & ~kAddFdFlags)) return Errno(EINVAL);
  if (request.newfd != 0 && !(request.flags & SECCOMP_ADDFD_FLAG_SETFD)) return Errno(EINVAL);
  RefPtr<File> file = TRY(task.fds().Get(static_cast<int>(request.srcfd)));
  const RefPtr<Task> target = TRY(listener_->Find(request.id));
  const int fd = TRY(InstallInto(*target, std::move(file), request));
  if (request.flags & SECCOMP_ADDFD_FLAG_SEND) {
    seccomp_notif_resp answer{};
    answer.id = request.id;
    answer.val = fd;
    TRY(listener_->Answer(answer));
  }
  return int64_t{fd};
}

Result<int64_t> SeccompFile::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  switch (request) {
    case SECCOMP_IOCTL_NOTIF_RECV:
      return Receive(task, arg);
    case SECCOMP_IOCTL_NOTIF_SEND:
      return Send(task, arg);
    case SECCOMP_IOCTL_NOTIF_ID_VALID:
    case _IOR('!', 2, uint64_t):  // as early headers had it
      TRY(listener_->Find(TRY(task.CopyInObject<uint64_t>(arg))));
      return int64_t{0};
    default:
      break;
  }
  if (_IOC_TYPE(request) == '!' && _IOC_NR(request) == 3) return AddFd(task, arg, _IOC_SIZE(request));
  return Errno(EINVAL);
}

}  // namespace runsc
