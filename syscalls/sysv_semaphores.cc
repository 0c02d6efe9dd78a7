// System V semaphores: semget(2), semop(2), semctl(2).
#include "sentry/ipc/ipc_namespace.h"
#include "sentry/kernel/pids.h"
#include "syscalls/ipc_handlers.h"

#ifndef SEM_STAT_ANY
#define SEM_STAT_ANY 20
#endif

namespace runsc {
namespace {

Semaphores& Sets(Task& task) { return IpcOf(task).semaphores; }

constexpr uint32_t kMaxOperations = 1 << 20;  // whatever the namespace's limit is: they are kept in our memory

SyscallResult Operate(Task& task, int id, GuestAddr ops_addr, uint32_t count, Deadline deadline) {
  if (count < 1 || id < 0) return Errno(EINVAL);
  if (count > IpcOf(task).limits.sem_opm.load()) return Errno(E2BIG);
  if (count > kMaxOperations) return Errno(ENOMEM);
  std::vector<sembuf> ops(count);
  TRY(task.CopyIn(ops_addr, ops.data(), count * sizeof(sembuf)));
  TRY(Sets(task).Operate(task, id, ops, deadline));
  return 0;
}

SyscallResult Stat(Task& task, int id, int command, GuestAddr buf) {
  const RefPtr<SemaphoreSet> set =
      command == IPC_STAT ? TRY(Sets(task).table().Find(id)) : TRY(Sets(task).table().FindIndex(id));
  struct semid_ds stat;
  {
    MutexLock l(set->mu());
    TRY(set->CheckLiveLocked());
    if (command != SEM_STAT_ANY) TRY(set->CheckAccessLocked(*task.creds(), 0444));
    stat = set->StatLocked();
  }
  TRY(task.CopyOutObject(buf, stat));
  return command == IPC_STAT ? 0 : set->id();
}

SyscallResult SetOwner(Task& task, int id, GuestAddr buf) {
  const auto wanted = TRY(task.CopyInObject<struct semid_ds>(buf));
  const RefPtr<SemaphoreSet> set = TRY(Sets(task).table().Find(id));
  MutexLock l(set->mu());
  TRY(set->CheckLiveLocked());
  TRY(set->CheckOwnerLocked(*task.creds()));
  set->SetOwnerLocked(wanted.sem_perm);
  set->NoteChangeLocked();
  return 0;
}

SyscallResult Info(Task& task, int command, GuestAddr buf) {
  struct seminfo info {};
  const IpcLimits& limits = IpcOf(task).limits;
  info.semmap = info.semmns = info.semmnu = static_cast<int>(limits.sem_mns.load());
  info.semmni = static_cast<int>(limits.sem_mni.load()), info.semmsl = static_cast<int>(limits.sem_msl.load());
  info.semopm = info.semume = static_cast<int>(limits.sem_opm.load()), info.semusz = 20;
  info.semvmx = info.semaem = kSemVmx;
  if (command == SEM_INFO) {
    info.semusz = info.semaem = 0;
    for (const auto& set : Sets(task).table().All()) {
      info.semusz++;
      info.semaem += set->size();
    }
  }
  TRY(task.CopyOutObject(buf, info));
  return Sets(task).table().HighestIndex();
}

SyscallResult GetAll(Task& task, SemaphoreSet& set, GuestAddr array) {
  std::vector<uint16_t> values(set.size());
  {
    MutexLock l(set.mu());
    TRY(set.CheckLiveLocked());
    TRY(set.CheckAccessLocked(*task.creds(), 0444));
    for (int i = 0; i < set.size(); ++i) values[i] = static_cast<uint16_t>(set.ValueLocked(i));
  }
  TRY(task.CopyOut(array, values.data(), values.size() * sizeof(uint16_t)));
  return 0;
}

SyscallResult SetValues(Task& task, SemaphoreSet& set, int first, std::span<const uint16_t> values) {
  for (const uint16_t value : values) {
    if (value > kSemVmx) return Errno(ERANGE);
  }
  {
    MutexLock l(set.mu());
    TRY(set.CheckLiveLocked());
    TRY(set.CheckAccessLocked(*task.creds(), 0222));
    for (size_t i = 0; i < values.size(); ++i) set.SetLocked(first + static_cast<int>(i), values[i], task.pid());
    set.NoteChangeLocked();
  }
  set.queue().Notify(EPOLLIN);
  return 0;
}

SyscallResult SetAll(Task& task, SemaphoreSet& set, GuestAddr array) {
  std::vector<uint16_t> values(set.size());
  TRY(task.CopyIn(array, values.data(), values.size() * sizeof(uint16_t)));
  return SetValues(task, set, 0, values);
}

// GETVAL, GETPID (the sentry's number), GETNCNT, GETZCNT.
Result<int> ReadOne(Task& task, SemaphoreSet& set, int index, int command) {
  MutexLock l(set.mu());
  TRY(set.CheckLiveLocked());
  TRY(set.CheckAccessLocked(*task.creds(), 0444));
  if (index < 0 || index >= set.size()) return Errno(EINVAL);
  if (command == GETVAL) return set.ValueLocked(index);
  if (command == GETPID) return set.PidLocked(index);
  return set.CountSleepersLocked(index, command == GETZCNT);
}

SyscallResult GetOne(Task& task, SemaphoreSet& set, int index, int command) {
  const int value = TRY(ReadOne(task, set, index, command));
  return int64_t{command == GETPID ? PidToGuest(task, value) : value};
}

SyscallResult SetOne(Task& task, SemaphoreSet& set, int index, int value) {
  if (value < 0 || value > kSemVmx) return Errno(ERANGE);
  if (index < 0 || index >= set.size()) return Errno(EINVAL);
  const uint16_t small = static_cast<uint16_t>(value);
  return SetValues(task, set, index, {&small, 1});
}

SyscallResult ControlValues(Task& task, int id, int index, int command, uint64_t arg) {
  const RefPtr<SemaphoreSet> set = TRY(Sets(task).table().Find(id));
  switch (command) {
    case GETALL:
      return GetAll(task, *set, arg);
    case SETALL:
      return SetAll(task, *set, arg);
    case SETVAL:
      return SetOne(task, *set, index, static_cast<int>(arg));
    default:
      return GetOne(task, *set, index, command);
  }
}

}  // namespace

// semget(2)
SyscallResult SysSemget(Task& task, int key, int count, int flags) {
  return TRY(Sets(task).Get(task, key, count, flags));
}

// semop(2)
SyscallResult SysSemop(Task& task, int id, GuestAddr ops, uint32_t count) {
  return Operate(task, id, ops, count, kNever);
}

// semtimedop(2)
SyscallResult SysSemtimedop(Task& task, int id, GuestAddr ops, uint32_t count, GuestAddr timeout_addr) {
  if (timeout_addr == 0) return Operate(task, id, ops, count, kNever);
  const auto timeout = TRY(task.CopyInObject<timespec>(timeout_addr));
  if (!IsValidTimespec(timeout)) return Errno(EINVAL);
  return Operate(task, id, ops, count, DeadlineAfter(Kernel::MonotonicNs(), ToNs(timeout)));
}

// semctl(2)
SyscallResult SysSemctl(Task& task, int id, int index, int command, uint64_t arg) {
  if (id < 0) return Errno(EINVAL);
  switch (command) {
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY:
      return Stat(task, id, command, arg);
    case IPC_SET:
      return SetOwner(task, id, arg);
    case IPC_RMID:
      TRY(Sets(task).Remove(task, id));
      return 0;
    case IPC_INFO:
    case SEM_INFO:
      return Info(task, command, arg);
    case GETALL:
    case SETALL:
    case SETVAL:
    case GETVAL:
    case GETPID:
    case GETNCNT:
    case GETZCNT:
      return ControlValues(task, id, index, command, arg);
    default:
      return Errno(EINVAL);
  }
}

}  // namespace runsc
