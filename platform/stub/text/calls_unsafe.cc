// System calls the stub answers by itself: identity, signal mask, futex, anonymous private memory.
#include <linux/mman.h>

#include "platform/stub/pi_futex.h"
#include "platform/stub/text/stub_unsafe.h"

namespace runsc::stub {
namespace {

constexpr int64_t kEperm = -1, kEnomem = -12, kEfault = -14, kEinval = -22, kEnosys = -38;
constexpr int64_t kForward = 1 - (1L << 62);  // no result of any call: ask the sentry
constexpr uint64_t kPageMask = 4095, kRobustHeadSize = 24;

// True if [addr, addr + length) lies where guests may map.
bool InGuest(uint64_t addr, uint64_t length) {
  const uint64_t max = Info().max_addr;
  return addr <= max && length <= max - addr;
}

int64_t Native(ThreadPage* t, uint64_t number, const uint64_t* args) { return native_call(t, number, args); }

int64_t NativeMapping(ThreadPage* t, uint64_t number, const uint64_t* args) {
  EnterMapping();
  const int64_t result = native_call(t, number, args);
  LeaveMapping();
  return result;
}

// True if [addr, addr + length) has part of a range where files are mapped; `whole`: all of one.
bool TouchesFiles(uint64_t addr, uint64_t length, bool whole) {
  const volatile InfoPage& info = Info();
  const uint64_t end = addr + length;
  for (uint32_t i = 0; i < info.file_range_count && i < kMaxFileRanges; i++) {
    const uint64_t file_start = info.file_ranges[i].start, file_end = info.file_ranges[i].end;
    if (whole ? addr <= file_start && file_end <= end && file_end != 0 : addr < file_end && file_start < end)
      return true;
  }
  return false;
}

// The sentry knows where the reservation has been mapped over.
bool MayBeReserved(uint64_t addr, uint64_t length) { return addr + length > Info().reserved_from; }

int64_t Munmap(ThreadPage* t, const uint64_t* a) {
  if (!InGuest(a[0], a[1])) return kEinval;
  return TouchesFiles(a[0], a[1], false) ? kForward : NativeMapping(t, __NR_munmap, a);
}

int64_t Mmap(ThreadPage* t, const uint64_t* a) {
  constexpr uint64_t kServed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_NORESERVE |
                               MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_32BIT | MAP_DENYWRITE | MAP_EXECUTABLE;
  const uint64_t flags = a[3] & 0xffffffff;
  if ((flags & (MAP_TYPE | MAP_ANONYMOUS)) != (MAP_PRIVATE | MAP_ANONYMOUS)) return kForward;
  if (flags & ~kServed) return kForward;
  if (a[5] & kPageMask) return kEinval;
  uint64_t addr = a[0];
  if (!InGuest(addr, a[1])) {
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) || !InGuest(0, a[1])) return kEnomem;
    addr = 0;
  }
  if (flags & MAP_FIXED && TouchesFiles(addr, a[1], true)) return kForward;
  if (flags & MAP_FIXED_NOREPLACE && MayBeReserved(addr, a[1])) return kForward;
  const uint64_t args[6] = {addr, a[1], a[2] & 0xffffffff, flags, ~0UL, 0};
  return NativeMapping(t, __NR_mmap, args);
}

int64_t Mremap(ThreadPage* t, const uint64_t* a) {
  if (!InGuest(a[0], a[1]) || !InGuest(0, a[2])) return kForward;
  const bool fixed = a[3] & MREMAP_FIXED;
  if (fixed && !InGuest(a[4], a[2])) return kEinval;
  if (MayBeReserved(a[0], a[1])) return kForward;
  if (TouchesFiles(a[0], a[1] ? a[1] : 1, false) || (fixed && TouchesFiles(a[4], a[2], true))) return kForward;
  const uint64_t args[6] = {a[0], a[1], a[2], a[3], a[4], 0};
  return NativeMapping(t, __NR_mremap, args);
}

bool IsPlainAdvice(uint64_t advice) {
  switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DONTNEED:
    case MADV_FREE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
      return true;
    default:
      return false;
  }
}

bool IsPlainFutexOp(uint64_t op) {
  switch (op & 0x7f) {
    case 0:   // WAIT
    case 1:   // WAKE
    case 3:   // REQUEUE
    case 4:   // CMP_REQUEUE
    case 5:   // WAKE_OP
    case 9:   // WAIT_BITSET
    case 10:  // WAKE_BITSET
      return true;
    default:
      return false;
  }
}

bool FutexUsesSecondWord(uint64_t op) {
  const uint64_t command = op & 0x7f;
  return command == 3 || command == 4 || command == 5;
}

// -EINTR stands for "interrupted": the caller reports the call to the sentry.
int64_t Futex(ThreadPage* t, const uint64_t* a) {
  if (IsPiFutex(a[1])) return PiFutexOfThread(t, a);
  if (!IsPlainFutexOp(a[1])) return kForward;
  if (!InGuest(a[0], 4) || (FutexUsesSecondWord(a[1]) && !InGuest(a[4], 4))) return kEfault;
  return Native(t, __NR_futex, a);
}

int64_t ArchPrctl(ThreadPage* t, uint64_t code, uint64_t addr) {
  constexpr uint64_t kSetGs = 0x1001, kSetFs = 0x1002, kGetFs = 0x1003, kGetGs = 0x1004;
  if (code == kGetGs) return CopyToGuest(addr, t->gs_base) ? 0 : kEfault;
  if (code == kSetGs) {
    if (addr >= STUB_TOP) return kEperm;
    if (addr != t->gs_base) SetGsBase(t, addr);
    return 0;
  }
  if (code == kGetFs) {
    if (Info().has_fsgsbase) asm volatile("rdfsbase %0" : "=r"(t->fs_base));
    return CopyToGuest(addr, t->fs_base) ? 0 : kEfault;
  }
  if (code != kSetFs) return kForward;
  if (addr >= Info().max_addr) return kEperm;
  t->fs_base = addr;
  if (!Info().has_fsgsbase) return Syscall(__NR_arch_prctl, kSetFs, addr);
  asm volatile("wrfsbase %0" : : "r"(addr));
  return 0;
}

int64_t ApplySignalMask(ThreadPage* t, uint64_t how, uint64_t set) {
  constexpr uint64_t kUnblockable = 1UL << 8 | 1UL << 18;  // SIGKILL, SIGSTOP
  set &= ~kUnblockable;
  const uint64_t old = t->signal_mask;
  if (how > 2) return kEinval;
  const uint64_t mask = how == 0 ? old | set : how == 1 ? old & ~set : set;
  // The sentry writes the pending set, then reads the mask: one of the two sides notices.
  __atomic_store_n(&t->signal_mask, mask, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&t->pending_signals, __ATOMIC_SEQ_CST) & ~mask) {
    __atomic_store_n(&t->kick, 1, __ATOMIC_SEQ_CST);
  }
  return 0;
}

int64_t SigProcMask(ThreadPage* t, const uint64_t* a) {
  if (a[3] != 8) return kEinval;
  const uint64_t old = t->signal_mask;
  uint64_t set;
  if (a[1]) {
    if (!CopyFromGuest(&set, a[1])) return kEfault;
    const int64_t result = ApplySignalMask(t, a[0] & 0xffffffff, set);
    if (result != 0) return result;
  }
  return a[2] && !CopyToGuest(a[2], old) ? kEfault : 0;
}

int64_t Memory(ThreadPage* t, uint64_t number, const uint64_t* a) {
  switch (number) {
    case __NR_mmap:
      return Mmap(t, a);
    case __NR_munmap:
      return Munmap(t, a);
    case __NR_mprotect:  // to the guest nothing is mapped where thunks are
      if (!InGuest(a[0], a[1])) return kForward;
      if (OverlapsThunks(a[0], a[1])) return kEnomem;
      return MayBeReserved(a[0], a[1]) ? kForward : NativeMapping(t, number, a);
    case __NR_madvise:
      if (!InGuest(a[0], a[1]) || !IsPlainAdvice(a[2] & 0xffffffff)) return kForward;
      return MayBeReserved(a[0], a[1]) ? kForward : Native(t, number, a);
    default:
      return Mremap(t, a);
  }
}

// One thread at a time. A guest that wrote over the lock waits for nobody for ever.
void LockBreak() {
  constexpr int kPatience = 10000;
  for (int i = 0; i < kPatience && __atomic_exchange_n(&Local().break_lock, 1, __ATOMIC_ACQUIRE) != 0; i++) {
    Syscall(__NR_sched_yield);
  }
}
void UnlockBreak() { __atomic_store_n(&Local().break_lock, 0, __ATOMIC_RELEASE); }

// Maps or unmaps what lies between. True if the break may be `to` now.
bool MoveBreak(uint64_t from, uint64_t to) {
  constexpr uint64_t kReadWrite = 3;
  const uint64_t old_end = (from + kPageMask) & ~kPageMask, new_end = (to + kPageMask) & ~kPageMask;
  if (new_end == old_end) return true;
  if (new_end < old_end) return Syscall(__NR_munmap, new_end, old_end - new_end) == 0;
  return Syscall(__NR_mmap, old_end, new_end - old_end, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                 ~0UL, 0) == static_cast<int64_t>(old_end);
}

}  // namespace

int64_t Break(uint64_t to) {
  const uint64_t start = Info().break_start, limit = Info().break_limit;
  LockBreak();
  uint64_t now = Local().guest_break;
  if (now < start || now > Info().max_addr) now = start;
  const bool allowed = to >= start && to <= Info().max_addr && (to <= limit || to <= now);
  if (allowed) {
    EnterMapping();
    if (MoveBreak(now, to)) now = Local().guest_break = to;
    LeaveMapping();
  }
  UnlockBreak();
  return static_cast<int64_t>(now);
}

namespace {

// exit(2) of a thread that holds no robust futex: who joins it need not wait for the sentry to hear of it. What it
// joined may be unmapped from then on, so nothing looks there again.
void AnnounceExit(ThreadPage* t) {
  struct {
    uint64_t next, futex_offset, pending;
  } head;
  static_assert(sizeof head == kRobustHeadSize);
  if (t->robust_list != 0 && CopyFromGuest(&head, t->robust_list) &&
      (head.next != t->robust_list || head.pending != 0)) {
    return;
  }
  t->robust_list = 0;
  ClearTid(t);
}

// Calls beyond the table are not answered here anyway.
bool IsForwarded(uint64_t number) {
  return number < kMaxForwarded && (Info().forwarded[number / kForwardedBits] >> number % kForwardedBits & 1);
}

int64_t Local(ThreadPage* t, uint64_t number, const uint64_t* a) {
  switch (number) {
    case __NR_getpid:
      return t->identity.tgid;
    case __NR_gettid:
      return t->identity.tid;
    case __NR_getppid:
      return t->identity.ppid;
    case __NR_getuid:
      return t->identity.uid;
    case __NR_geteuid:
      return t->identity.euid;
    case __NR_getgid:
      return t->identity.gid;
    case __NR_getegid:
      return t->identity.egid;
    case __NR_rseq:  // the kernel has none, and every program and thread asks
      return kEnosys;
    case __NR_sched_yield:
      return Syscall(__NR_sched_yield);
    case __NR_rt_sigprocmask:
      return SigProcMask(t, a);
    case __NR_set_tid_address:
      t->clear_tid = a[0];
      return t->identity.tid;
    case __NR_set_robust_list:
      if (a[1] != kRobustHeadSize) return kEinval;
      t->robust_list = a[0];
      return 0;
    case __NR_exit:
      AnnounceExit(t);
      return kForward;
    case __NR_arch_prctl:
      return ArchPrctl(t, a[0], a[1]);
    case __NR_futex:
      return Futex(t, a);
    case __NR_write:
      return QueueWrite(t, a) ? static_cast<int64_t>(a[2]) : kForward;
    case __NR_brk:
      return Info().break_start ? Break(a[0]) : kForward;
    case __NR_mmap:
    case __NR_munmap:
    case __NR_mprotect:
    case __NR_madvise:
    case __NR_mremap:
      return Memory(t, number, a);
    default:
      return kForward;
  }
}

}  // namespace

bool ServeSyscall(ThreadPage* t, uint32_t meta) {
  constexpr int64_t kEintr = -4, kNotStarted = -512;
  ThreadRegs& r = t->regs;
  // The kernel looks at eax alone; as it does, with its sign.
  const uint64_t number = static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(r.rax)));
  const Call call{number, {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9}};
  if (!IsForwarded(number)) {
    const int64_t result = Local(t, call.number, call.args);
    if (result == kEintr || result == kNotStarted) meta |= kMetaInterrupted;
    if (result != kForward && !(meta & kMetaInterrupted)) {
      r.rax = static_cast<uint64_t>(result);
      return false;
    }
  }
  return Remote(t, kEventSyscall, call, meta);
}

extern "C" void tramp_main(ThreadPage* t) {
  t->fp = 0;
  t->handler_sp = t->stack_top;
  if (ServeSyscall(t, 0) || t->stepping || t->gs_taken) Finish(t);
}

}  // namespace runsc::stub
