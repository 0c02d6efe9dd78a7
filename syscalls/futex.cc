// Futexes: the stub runs them natively; here arrive the ones it leaves to us, and robust lists.
#include <linux/futex.h>

#include <sys/syscall.h>

#include "sentry/kernel/signal_send.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr uint64_t kRobustHeadSize = 24;

bool RunsNatively(int command) {
  switch (command) {
    case FUTEX_WAIT:
    case FUTEX_WAKE:
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
    case FUTEX_WAKE_OP:
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAKE_BITSET:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_UNLOCK_PI:
    case FUTEX_TRYLOCK_PI:
      return true;
    default:
      return false;
  }
}

}  // namespace

// futex(2)
SyscallResult SysFutex(Task& task, GuestAddr addr, int op, uint32_t value, uint64_t timeout, GuestAddr addr2,
                       uint32_t value3) {
  if (!RunsNatively(op & FUTEX_CMD_MASK)) return Errno(ENOSYS);
  task.SubmitNative({SYS_futex, {addr, static_cast<uint64_t>(op), value, timeout, addr2, value3}});
  return int64_t{0};
}

// set_robust_list(2)
SyscallResult SysSetRobustList(Task& task, GuestAddr head, uint64_t size) {
  if (size != kRobustHeadSize) return Errno(EINVAL);
  task.context().SetRobustList(head);
  return int64_t{0};
}

// get_robust_list(2)
SyscallResult SysGetRobustList(Task& task, int tid, GuestAddr head_addr, GuestAddr size_addr) {
  GuestAddr head = task.RobustList();
  if (tid != 0) {
    MutexLock l(task.kernel().task_set_mu());
    Task* other = task.kernel().FindTaskLocked(tid);
    if (other == nullptr) return Errno(ESRCH);
    TRY(CheckKillPermission(task, *other, SIGKILL));
    head = other->RobustList();
  }
  TRY(task.CopyOutObject(size_addr, kRobustHeadSize));
  TRY(task.CopyOutObject(head_addr, head));
  return int64_t{0};
}

// membarrier(2): the host's, made by the stub for the threads it has.
SyscallResult SysMembarrier(Task& task, int command, uint32_t flags, int cpu) {
  task.SubmitNative({SYS_membarrier, {static_cast<uint64_t>(command), flags, static_cast<uint64_t>(cpu)}});
  return int64_t{0};
}

// futex_waitv(2)
SyscallResult SysFutexWaitv(Task& task, GuestAddr waiters, uint32_t count, uint32_t flags, GuestAddr timeout,
                            int clock) {
  task.SubmitNative({SYS_futex_waitv, {waiters, count, flags, timeout, static_cast<uint64_t>(clock)}});
  return int64_t{0};
}

}  // namespace runsc
