// What the seccomp-trap engine answers by itself, for engines that leave it to the kernel.
#include <asm/prctl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>
#include <vector>

#include "platform/testing/mini_kernel.h"

namespace runsc {
namespace {

std::optional<MapOp> MapOpOf(uint64_t number, const uint64_t* a) {
  const int third = static_cast<int>(a[2]), fourth = static_cast<int>(a[3]);
  switch (number) {
    case SYS_mmap:
      if ((fourth & (MAP_ANONYMOUS | MAP_PRIVATE)) != (MAP_ANONYMOUS | MAP_PRIVATE)) return std::nullopt;
      return MapOp{MapOp::kMap, a[0], a[1], third, fourth};
    case SYS_munmap:
      return MapOp{MapOp::kUnmap, a[0], a[1]};
    case SYS_mprotect:
      return MapOp{MapOp::kProtect, a[0], a[1], third};
    case SYS_madvise:
      return MapOp{MapOp::kAdvise, a[0], a[1], 0, third};
    case SYS_mremap:
      return MapOp{MapOp::kRemap, a[0], a[1], 0, fourth, -1, 0, a[2], a[4]};
    default:
      return std::nullopt;
  }
}

int64_t Apply(AddressSpace& memory, const MapOp& op) {
  std::vector<uint64_t> results;
  const auto applied = memory.Apply(std::span(&op, 1), &results);
  return applied.ok() ? static_cast<int64_t>(results[0]) : -applied.error().value();
}

}  // namespace

int64_t MiniKernel::SetBase(Task& task, uint64_t code, uint64_t base) {
  if (code != ARCH_SET_FS && code != ARCH_SET_GS) return -EINVAL;
  Registers regs = ContextOf(task).ReadRegisters();
  (code == ARCH_SET_FS ? regs.fs_base : regs.gs_base) = base;
  ContextOf(task).WriteRegisters(regs);
  return 0;
}

int64_t MiniKernel::ChangeMask(Task& task, Args a) {
  const uint64_t old = ContextOf(task).SignalMask();
  uint64_t set = 0;
  if (a[1] != 0) {
    if (CopyIn(task, a[1], &set, sizeof set) != sizeof set) return -EFAULT;
    if (a[0] > SIG_SETMASK) return -EINVAL;
    ContextOf(task).SetSignalMask(a[0] == SIG_BLOCK ? old | set : a[0] == SIG_UNBLOCK ? old & ~set : set);
  }
  return a[2] == 0 || CopyOut(task, a[2], &old, sizeof old) ? 0 : -EFAULT;
}

std::optional<int64_t> MiniKernel::Forwarded(Task& task, uint64_t number, Args a) {
  if (const auto op = MapOpOf(number, a)) return Apply(MemoryOf(task), *op);
  switch (number) {
    case SYS_getpid:
      return IdsOf(task).tgid;
    case SYS_gettid:
      return IdsOf(task).tid;
    case SYS_getppid:
      return IdsOf(task).ppid;
    case SYS_getuid:
    case SYS_geteuid:
    case SYS_getgid:
    case SYS_getegid:
    case SYS_sched_yield:
      return 0;
    case SYS_set_tid_address:
      ContextOf(task).SetClearChildTid(a[0]);
      return IdsOf(task).tid;
    case SYS_rt_sigprocmask:
      return ChangeMask(task, a);
    case SYS_arch_prctl:
      return SetBase(task, a[0], a[1]);
    default:
      return std::nullopt;
  }
}

}  // namespace runsc
