// kcmp(2): do two processes share a resource?
#include <linux/kcmp.h>

#include "sentry/fs/epoll.h"
#include "sentry/ipc/ipc_namespace.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/random.h"
#include "sentry/kernel/trace_access.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

// An order of objects that tells nothing of where they are.
struct Disguise {
  Disguise() {
    FillRandom(&mask, sizeof(mask));
    FillRandom(&factor, sizeof(factor));
    factor |= 1;
  }
  uint64_t Of(const void* object) const { return (reinterpret_cast<uintptr_t>(object) ^ mask) * factor; }
  uint64_t mask, factor;
};

int Compare(const void* first, const void* second) {
  static const Disguise disguise;
  const uint64_t a = disguise.Of(first), b = disguise.Of(second);
  return a == b ? 0 : a < b ? 1 : 2;
}

Result<RefPtr<Task>> FindByNumber(Task& task, int pid) {
  RefPtr<Task> found = pid > 0 ? task.kernel().FindTask(PidFromGuest(task, pid)) : nullptr;
  return found ? Result<RefPtr<Task>>(std::move(found)) : Errno(ESRCH);
}

Result<RefPtr<File>> FileOf(Task& task, uint64_t fd) {
  const RefPtr<FdTable> fds = task.FdsSnapshot();
  if (!fds || fd > INT_MAX) return Errno(EBADF);
  return fds->Get(static_cast<int>(fd));
}

const void* ActionsOf(Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  return task.thread_group().actions.get();
}

// What I/O of a task is scheduled by: made when its priority is set, shared with nobody.
const void* IoContextOf(const Task& task) { return task.io_priority != 0 ? &task : nullptr; }

// The list of what semaphores take back at the end of the process.
const void* SemUndoOf(Task& task) {
  const ThreadGroup& process = task.thread_group();
  return IpcOf(task).semaphores.HasUndo(process) ? &process : nullptr;
}

SyscallResult CompareEpollTarget(Task& task, Task& first, uint64_t fd, Task& second, GuestAddr slot_addr) {
  const auto slot = TRY(task.CopyInObject<kcmp_epoll_slot>(slot_addr));
  const RefPtr<File> file = TRY(FileOf(first, fd)), epoll_file = TRY(FileOf(second, slot.efd));
  EpollFile* const epoll = FileAs<EpollFile>(*epoll_file);
  if (epoll == nullptr) return Errno(EINVAL);
  return int64_t{Compare(file.get(), TRY(epoll->TargetOf(static_cast<int>(slot.tfd), slot.toff)))};
}

}  // namespace

SyscallResult SysKcmp(Task& task, int pid1, int pid2, int type, uint64_t index1, uint64_t index2) {
  const RefPtr<Task> first = TRY(FindByNumber(task, pid1)), second = TRY(FindByNumber(task, pid2));
  TRY(CheckTraceAccess(task, *first, EPERM));
  TRY(CheckTraceAccess(task, *second, EPERM));
  switch (type) {
    case KCMP_FILE: {
      const RefPtr<File> a = TRY(FileOf(*first, index1)), b = TRY(FileOf(*second, index2));
      return int64_t{Compare(a.get(), b.get())};
    }
    case KCMP_VM:
      return int64_t{Compare(first->MmSnapshot().get(), second->MmSnapshot().get())};
    case KCMP_FILES:
      return int64_t{Compare(first->FdsSnapshot().get(), second->FdsSnapshot().get())};
    case KCMP_FS:
      return int64_t{Compare(first->FsSnapshot().get(), second->FsSnapshot().get())};
    case KCMP_SIGHAND:
      return int64_t{Compare(ActionsOf(*first), ActionsOf(*second))};
    case KCMP_IO:
      return int64_t{Compare(IoContextOf(*first), IoContextOf(*second))};
    case KCMP_SYSVSEM:
      return int64_t{Compare(SemUndoOf(*first), SemUndoOf(*second))};
    case KCMP_EPOLL_TFD:
      return CompareEpollTarget(task, *first, index1, *second, index2);
    default:
      return Errno(EINVAL);
  }
}

}  // namespace runsc
