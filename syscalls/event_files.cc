// Calls that make files which signal events: pipe, eventfd, timerfd, signalfd; and memfd_create.
#include <linux/memfd.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "sentry/fs/eventfd.h"
#include "sentry/fs/memfd.h"
#include "sentry/fs/pipe_file.h"
#include "sentry/fs/signalfd.h"
#include "sentry/fs/timerfd.h"
#include "syscalls/fd_util.h"
#include "syscalls/handlers.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 16U
#endif

namespace runsc {
namespace {

// Both descriptors or none.
Result<void> InstallPipe(Task& task, int flags, int fds[2]) {
  PipeEnds ends = NewPipe(task, flags & (O_NONBLOCK | O_DIRECT));
  fds[0] = static_cast<int>(TRY(InstallFd(task, std::move(ends.reader), flags & O_CLOEXEC)));
  const SyscallResult writer = InstallFd(task, std::move(ends.writer), flags & O_CLOEXEC);
  if (!writer.ok()) {
    (void)task.fds().Remove(fds[0]);
    return writer.error();
  }
  fds[1] = static_cast<int>(*writer);
  return {};
}

Result<SignalSet> CopyInSignalSet(Task& task, GuestAddr addr, uint64_t size) {
  if (size != sizeof(SignalSet)) return Errno(EINVAL);
  return TRY(task.CopyInObject<SignalSet>(addr)) & ~kUnblockable;
}

Result<RefPtr<File>> GetFile(Task& task, int fd) { return task.fds().GetForIo(fd); }

bool IsValidSetting(const itimerspec& spec) {
  return IsValidTimespec(spec.it_value) && IsValidTimespec(spec.it_interval);
}

}  // namespace

// pipe2(2)
SyscallResult SysPipe2(Task& task, GuestAddr fds_addr, int flags) {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) return Errno(EINVAL);
  int fds[2];
  TRY(InstallPipe(task, flags, fds));
  const auto copied = task.CopyOut(fds_addr, fds, sizeof(fds));
  if (copied.ok()) return int64_t{0};
  (void)task.fds().Remove(fds[0]);
  (void)task.fds().Remove(fds[1]);
  return copied.error();
}

// pipe(2)
SyscallResult SysPipe(Task& task, GuestAddr fds_addr) { return SysPipe2(task, fds_addr, 0); }

// eventfd2(2)
SyscallResult SysEventfd2(Task& task, uint32_t value, int flags) {
  if (flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)) return Errno(EINVAL);
  return InstallFd(task, NewEventFile(task, value, flags), flags & EFD_CLOEXEC);
}

// eventfd(2)
SyscallResult SysEventfd(Task& task, uint32_t value) { return SysEventfd2(task, value, 0); }

// timerfd_create(2)
SyscallResult SysTimerfdCreate(Task& task, int clock, int flags) {
  if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK)) return Errno(EINVAL);
  return InstallFd(task, TRY(NewTimerFile(task, clock, flags)), flags & TFD_CLOEXEC);
}

// timerfd_settime(2)
SyscallResult SysTimerfdSettime(Task& task, int fd, int flags, GuestAddr new_addr, GuestAddr old_addr) {
  const itimerspec spec = TRY(task.CopyInObject<itimerspec>(new_addr));
  if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) return Errno(EINVAL);
  if (!IsValidSetting(spec)) return Errno(EINVAL);
  RefPtr<File> file = TRY(GetFile(task, fd));
  TimerFile* timer = FileAs<TimerFile>(*file);
  if (timer == nullptr) return Errno(EINVAL);
  const itimerspec old = TRY(timer->Set(spec, flags));
  if (old_addr != 0) TRY(task.CopyOutObject(old_addr, old));
  return int64_t{0};
}

// timerfd_gettime(2)
SyscallResult SysTimerfdGettime(Task& task, int fd, GuestAddr addr) {
  RefPtr<File> file = TRY(GetFile(task, fd));
  TimerFile* timer = FileAs<TimerFile>(*file);
  if (timer == nullptr) return Errno(EINVAL);
  TRY(task.CopyOutObject(addr, timer->Get()));
  return int64_t{0};
}

// signalfd4(2)
SyscallResult SysSignalfd4(Task& task, int fd, GuestAddr set_addr, uint64_t set_size, int flags) {
  const SignalSet set = TRY(CopyInSignalSet(task, set_addr, set_size));
  if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) return Errno(EINVAL);
  if (fd == -1) return InstallFd(task, NewSignalFile(task, set, flags), flags & SFD_CLOEXEC);
  RefPtr<File> file = TRY(GetFile(task, fd));
  SignalFile* signals = FileAs<SignalFile>(*file);
  if (signals == nullptr) return Errno(EINVAL);
  signals->set_signals(set);
  return int64_t{fd};
}

// signalfd(2)
SyscallResult SysSignalfd(Task& task, int fd, GuestAddr set_addr, uint64_t set_size) {
  return SysSignalfd4(task, fd, set_addr, set_size, 0);
}

// memfd_create(2)
SyscallResult SysMemfdCreate(Task& task, GuestAddr name_addr, uint32_t flags) {
  constexpr uint32_t kKnown = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
  constexpr size_t kMaxName = NAME_MAX - sizeof("memfd:") + 1;
  if (flags & ~kKnown) return Errno(EINVAL);  // MFD_HUGETLB: no huge pages are reserved
  if ((flags & MFD_EXEC) && (flags & MFD_NOEXEC_SEAL)) return Errno(EINVAL);
  auto name = task.CopyInString(name_addr, kMaxName + 1);
  if (!name.ok()) return name.error() == Errno(ENAMETOOLONG) ? Errno(EINVAL) : name.error();
  return InstallFd(task, TRY(NewMemfd(task, *name, flags)), flags & MFD_CLOEXEC);
}

}  // namespace runsc
