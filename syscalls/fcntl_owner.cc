// fcntl(2): whom an O_ASYNC file signals, and how.
#include "syscalls/fcntl_owner.h"

#include <fcntl.h>
#include <linux/sockios.h>

#include "sentry/fs/file_owner.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

using Kind = FileOwner::Kind;

constexpr int kMaxSignalNumber = 64;

Result<void> CheckOwner(Task& task, const FileOwner& owner) {
  Kernel& kernel = task.kernel();
  if (owner.kind == Kind::kThread || owner.kind == Kind::kProcess) {
    return kernel.FindTask(owner.id) ? Result<void>() : Errno(ESRCH);
  }
  return {};
}

SyscallResult SetOwner(Task& task, File& file, Kind kind, int id) {
  const FileOwner wanted{.kind = id == 0 ? Kind::kNone : kind, .id = id};
  TRY(CheckOwner(task, wanted));
  ChangeOwner(task.kernel(), file, [&](FileOwner& owner) {
    owner.kind = wanted.kind;
    owner.id = wanted.id;
    owner.set_ruid = task.creds()->ruid;
    owner.set_euid = task.creds()->euid;
  });
  return 0;
}

SyscallResult SetOwnerBySign(Task& task, File& file, int id) {
  if (id == INT_MIN) return Errno(EINVAL);
  return id < 0 ? SetOwner(task, file, Kind::kGroup, PidFromGuest(task, -id))
                : SetOwner(task, file, Kind::kProcess, id == 0 ? 0 : PidFromGuest(task, id));
}

// A process, or a group as a negative number.
int OwnerBySign(Task& task, File& file) {
  const FileOwner owner = OwnerOf(file);
  const int id = owner.id == 0 ? 0 : PidToGuest(task, owner.id);
  return owner.kind == Kind::kGroup ? -id : id;
}

SyscallResult SetOwnerEx(Task& task, File& file, GuestAddr addr) {
  const auto wanted = TRY(task.CopyInObject<struct f_owner_ex>(addr));
  const int id = wanted.pid == 0 ? 0 : PidFromGuest(task, wanted.pid);
  switch (wanted.type) {
    case F_OWNER_TID:
      return SetOwner(task, file, Kind::kThread, id);
    case F_OWNER_PID:
      return SetOwner(task, file, Kind::kProcess, id);
    case F_OWNER_PGRP:
      return SetOwner(task, file, Kind::kGroup, id);
    default:
      return Errno(EINVAL);
  }
}

SyscallResult GetOwnerEx(Task& task, File& file, GuestAddr addr) {
  const FileOwner owner = OwnerOf(file);
  struct f_owner_ex shown = {};
  shown.type = owner.kind == Kind::kThread ? F_OWNER_TID : owner.kind == Kind::kGroup ? F_OWNER_PGRP : F_OWNER_PID;
  shown.pid = owner.id == 0 ? 0 : PidToGuest(task, owner.id);
  TRY(task.CopyOutObject(addr, shown));
  return 0;
}

SyscallResult SetSignal(Task& task, File& file, uint64_t signo) {
  if (signo > kMaxSignalNumber) return Errno(EINVAL);
  ChangeOwner(task.kernel(), file, [&](FileOwner& owner) { owner.signo = static_cast<int>(signo); });
  return 0;
}

}  // namespace

bool IsOwnerIoctl(uint32_t request) {
  return request == FIOSETOWN || request == SIOCSPGRP || request == FIOGETOWN || request == SIOCGPGRP;
}

SyscallResult OwnerIoctl(Task& task, File& file, uint32_t request, GuestAddr arg) {
  if (request == FIOSETOWN || request == SIOCSPGRP) {
    return SetOwnerBySign(task, file, TRY(task.CopyInObject<int>(arg)));
  }
  TRY(task.CopyOutObject(arg, OwnerBySign(task, file)));
  return 0;
}

SyscallResult OwnerCommand(Task& task, File& file, int command, uint64_t arg) {
  switch (command) {
    case F_SETOWN:
      return SetOwnerBySign(task, file, static_cast<int>(arg));
    case F_GETOWN:
      return OwnerBySign(task, file);
    case F_SETOWN_EX:
      return SetOwnerEx(task, file, arg);
    case F_GETOWN_EX:
      return GetOwnerEx(task, file, arg);
    case F_SETSIG:
      return SetSignal(task, file, arg);
    default:
      return OwnerOf(file).signo;
  }
}

}  // namespace runsc
