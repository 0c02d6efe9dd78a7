// System V shared memory: shmget(2), shmop(2), shmctl(2).
#include "sentry/ipc/ipc_namespace.h"
#include "sentry/kernel/pids.h"
#include "syscalls/ipc_handlers.h"

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif

namespace runsc {
namespace {

SharedMemory& Segments(Task& task) { return IpcOf(task).shared_memory; }

// IPC_STAT names by id and returns 0; SHM_STAT names by index and returns the id, _ANY without permission.
SyscallResult Stat(Task& task, int id, int command, GuestAddr buf) {
  SharedMemory& segments = Segments(task);
  const RefPtr<SharedSegment> segment =
      command == IPC_STAT ? TRY(segments.table().Find(id)) : TRY(segments.table().FindIndex(id));
  const uint64_t attached = segments.CountAttached(*segment);
  struct shmid_ds stat;
  {
    MutexLock l(segment->mu());
    TRY(segment->CheckLiveLocked());
    if (command != SHM_STAT_ANY) TRY(segment->CheckAccessLocked(*task.creds(), 0444));
    stat = segment->StatLocked();
  }
  stat.shm_nattch = attached;
  stat.shm_cpid = PidToGuest(task, stat.shm_cpid);
  stat.shm_lpid = PidToGuest(task, stat.shm_lpid);
  TRY(task.CopyOutObject(buf, stat));
  return command == IPC_STAT ? 0 : segment->id();
}

SyscallResult Set(Task& task, int id, GuestAddr buf) {
  const auto wanted = TRY(task.CopyInObject<struct shmid_ds>(buf));
  const RefPtr<SharedSegment> segment = TRY(Segments(task).table().Find(id));
  MutexLock l(segment->mu());
  TRY(segment->CheckLiveLocked());
  TRY(segment->CheckOwnerLocked(*task.creds()));
  segment->SetOwnerLocked(wanted.shm_perm);
  segment->NoteChangeLocked();
  return 0;
}

SyscallResult Limits(Task& task, GuestAddr buf) {
  struct shminfo info {};
  const IpcLimits& limits = IpcOf(task).limits;
  info.shmmax = limits.shm_max.load(), info.shmmin = 1;
  info.shmmni = info.shmseg = limits.shm_mni.load(), info.shmall = limits.shm_all.load();
  TRY(task.CopyOutObject(buf, info));
  return Segments(task).table().HighestIndex();
}

SyscallResult Usage(Task& task, GuestAddr buf) {
  struct shm_info info {};
  for (const auto& segment : Segments(task).table().All()) {
    struct stat memory;
    if (fstat(segment->host_fd(), &memory) != 0) continue;
    info.used_ids++;
    info.shm_tot += (segment->size() + 4095) / 4096;
    info.shm_rss += static_cast<uint64_t>(memory.st_blocks) / 8;
  }
  TRY(task.CopyOutObject(buf, info));
  return Segments(task).table().HighestIndex();
}

// Guest memory is never locked in host memory: those who may not lock hear that first.
SyscallResult Lock(Task& task, int id, bool lock) {
  const RefPtr<SharedSegment> segment = TRY(Segments(task).table().Find(id));
  MutexLock l(segment->mu());
  TRY(segment->CheckLiveLocked());
  if (!task.creds()->Has(CAP_IPC_LOCK)) {
    TRY(segment->CheckOwnerLocked(*task.creds()));
    if (lock && task.rlimit(RLIMIT_MEMLOCK) == 0) return Errno(EPERM);
  }
  return lock ? SyscallResult(Errno(ENOMEM)) : 0;
}

}  // namespace

// shmget(2)
SyscallResult SysShmget(Task& task, int key, uint64_t size, int flags) {
  return TRY(Segments(task).Get(task, key, size, flags));
}

// shmat(2)
SyscallResult SysShmat(Task& task, int id, GuestAddr addr, int flags) {
  return static_cast<int64_t>(TRY(Segments(task).Attach(task, id, addr, flags)));
}

// shmdt(2)
SyscallResult SysShmdt(Task& task, GuestAddr addr) {
  TRY(Segments(task).Detach(task, addr));
  return 0;
}

// shmctl(2)
SyscallResult SysShmctl(Task& task, int id, int command, GuestAddr buf) {
  if (id < 0 || command < 0) return Errno(EINVAL);
  switch (command) {
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY:
      return Stat(task, id, command, buf);
    case IPC_SET:
      return Set(task, id, buf);
    case IPC_RMID:
      TRY(Segments(task).Remove(task, id));
      return 0;
    case IPC_INFO:
      return Limits(task, buf);
    case SHM_INFO:
      return Usage(task, buf);
    case SHM_LOCK:
    case SHM_UNLOCK:
      return Lock(task, id, command == SHM_LOCK);
    default:
      return Errno(EINVAL);
  }
}

}  // namespace runsc
