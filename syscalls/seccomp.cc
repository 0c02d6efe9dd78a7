// Guest seccomp: seccomp(2), prctl(PR_SET_SECCOMP).
#include "sentry/kernel/seccomp.h"

#include "sentry/fs/seccomp_file.h"
#include "sentry/kernel/pids.h"
#include "syscalls/fd_util.h"
#include "syscalls/handlers.h"
#include "syscalls/identity.h"

namespace runsc {
namespace {

constexpr uint32_t kWaitKillable = 1 << 5;  // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
constexpr uint32_t kFilterFlags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW |
                                  SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH | kWaitKillable;

// struct sock_fprog.
struct ProgramHeader {
  uint16_t length;
  uint8_t padding[6];
  uint64_t code;
};

Result<BpfProgram> CopyInProgram(Task& task, GuestAddr addr) {
  const auto header = TRY(task.CopyInObject<ProgramHeader>(addr));
  if (header.length == 0 || header.length > BPF_MAXINSNS) return Errno(EINVAL);
  const Credentials& creds = *task.creds();
  if (!creds.no_new_privs && !creds.HasOwn(CAP_SYS_ADMIN)) return Errno(EACCES);
  std::vector<sock_filter> code(header.length);
  TRY(task.CopyIn(header.code, code.data(), code.size() * sizeof(sock_filter)));
  return BpfProgram::Check(std::move(code));
}

Result<void> CheckFilterFlags(uint32_t flags) {
  constexpr uint32_t kBoth = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER;
  if (flags & ~kFilterFlags) return Errno(EINVAL);
  if ((flags & kWaitKillable) && !(flags & SECCOMP_FILTER_FLAG_NEW_LISTENER)) return Errno(EINVAL);
  if ((flags & kBoth) == kBoth && !(flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH)) return Errno(EINVAL);
  return {};
}

// The listener's descriptor is made first: it must be there before the first call can wait for it.
SyscallResult SetFilter(Task& task, uint32_t flags, GuestAddr addr) {
  TRY(CheckFilterFlags(flags));
  BpfProgram program = TRY(CopyInProgram(task, addr));
  RefPtr<SeccompListener> listener;
  int fd = -1;
  if (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) {
    if (HasSeccompListener(task)) return Errno(EBUSY);
    listener = MakeRef<SeccompListener>((flags & kWaitKillable) != 0);
    fd = static_cast<int>(TRY(InstallFd(task, MakeRef<SeccompFile>(NewAnonInode(task), listener), true)));
  }
  const auto added = AddSeccompFilter(task, std::move(program), std::move(listener), flags & SECCOMP_FILTER_FLAG_LOG,
                                      flags & SECCOMP_FILTER_FLAG_TSYNC);
  if (added.ok() && *added == 0) return int64_t{fd < 0 ? 0 : fd};
  if (fd >= 0) (void)task.fds().Remove(fd);
  if (!added.ok()) return added.error();
  if (flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH) return Errno(ESRCH);
  return int64_t{PidToGuest(task, *added)};
}

SyscallResult ActionAvailable(Task& task, GuestAddr addr) {
  switch (TRY(task.CopyInObject<uint32_t>(addr))) {
    case SECCOMP_RET_KILL_PROCESS:
    case SECCOMP_RET_KILL_THREAD:
    case SECCOMP_RET_TRAP:
    case SECCOMP_RET_ERRNO:
    case SECCOMP_RET_USER_NOTIF:
    case SECCOMP_RET_TRACE:
    case SECCOMP_RET_LOG:
    case SECCOMP_RET_ALLOW:
      return int64_t{0};
    default:
      return Errno(EOPNOTSUPP);
  }
}

SyscallResult NotificationSizes(Task& task, GuestAddr addr) {
  const seccomp_notif_sizes sizes{sizeof(seccomp_notif), sizeof(seccomp_notif_resp), sizeof(seccomp_data)};
  TRY(task.CopyOutObject(addr, sizes));
  return int64_t{0};
}

}  // namespace

// seccomp(2)
SyscallResult SysSeccomp(Task& task, uint32_t operation, uint32_t flags, GuestAddr args) {
  switch (operation) {
    case SECCOMP_SET_MODE_STRICT:
      if (flags != 0 || args != 0) return Errno(EINVAL);
      TRY(EnterStrictMode(task));
      return int64_t{0};
    case SECCOMP_SET_MODE_FILTER:
      return SetFilter(task, flags, args);
    case SECCOMP_GET_ACTION_AVAIL:
      if (flags != 0) return Errno(EINVAL);
      return ActionAvailable(task, args);
    case SECCOMP_GET_NOTIF_SIZES:
      if (flags != 0) return Errno(EINVAL);
      return NotificationSizes(task, args);
    default:
      return Errno(EINVAL);
  }
}

SyscallResult SeccompPrctl(Task& task, uint64_t mode, GuestAddr program) {
  if (mode == SECCOMP_MODE_STRICT) return SysSeccomp(task, SECCOMP_SET_MODE_STRICT, 0, 0);
  if (mode == SECCOMP_MODE_FILTER) return SysSeccomp(task, SECCOMP_SET_MODE_FILTER, 0, program);
  return Errno(EINVAL);
}

}  // namespace runsc
