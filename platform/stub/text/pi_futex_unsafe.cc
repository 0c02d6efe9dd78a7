// Priority-inheriting futexes: the words are the host's to wait on, but hold the guest's thread ids, so locking
// and handing over happen here. No priority is lent; who unlocks wakes one waiter, who takes what is free.
#include <linux/futex.h>

#include "platform/stub/text/stub_unsafe.h"

namespace runsc::stub {
namespace {

constexpr int64_t kEperm = -1, kEagain = -11, kEfault = -14, kEinval = -22, kEdeadlk = -35;
constexpr uint32_t kCommand = 0x7f;

// FUTEX_LOCK_PI's timeouts are on the realtime clock; FUTEX_LOCK_PI2 says which.
uint64_t WaitOp(uint64_t op) {
  const uint64_t clock = (op & kCommand) == FUTEX_LOCK_PI ? FUTEX_CLOCK_REALTIME : op & FUTEX_CLOCK_REALTIME;
  return FUTEX_WAIT_BITSET | (op & FUTEX_PRIVATE_FLAG) | clock;
}

int64_t Sleep(ThreadPage* t, const uint64_t* a, uint32_t word) {
  const uint64_t args[6] = {a[0], WaitOp(a[1]), word, a[3], 0, 0xffffffff};
  return native_call(t, __NR_futex, args);
}

int64_t Lock(ThreadPage* t, const uint64_t* a, bool wait) {
  const uint32_t tid = static_cast<uint32_t>(t->identity.tid);
  uint32_t others = 0;  // once we slept there may be more sleepers
  for (;;) {
    uint32_t word;
    if (!CopyFromGuest(&word, a[0])) return kEfault;
    const uint32_t owner = word & FUTEX_TID_MASK;
    if (owner == tid) return kEdeadlk;
    if (owner != 0 && !wait) return kEagain;
    const uint32_t next = owner == 0 ? tid | (word & ~FUTEX_TID_MASK) | others : word | FUTEX_WAITERS;
    const int64_t missed = next == word ? 0 : safe_cmpxchg(a[0], word, next);
    if (missed < 0) return missed;
    if (missed) continue;
    if (owner == 0) return 0;
    const int64_t slept = Sleep(t, a, next);
    if (slept != 0 && slept != kEagain) return slept;
    others = FUTEX_WAITERS;
  }
}

int64_t Unlock(ThreadPage* t, const uint64_t* a) {
  for (;;) {
    uint32_t word;
    if (!CopyFromGuest(&word, a[0])) return kEfault;
    if ((word & FUTEX_TID_MASK) != static_cast<uint32_t>(t->identity.tid)) return kEperm;
    const int64_t missed = safe_cmpxchg(a[0], word, 0);
    if (missed < 0) return missed;
    if (missed) continue;
    if (word & FUTEX_WAITERS) Syscall(__NR_futex, a[0], FUTEX_WAKE | (a[1] & FUTEX_PRIVATE_FLAG), 1);
    return 0;
  }
}

}  // namespace

bool IsPiFutex(uint64_t op) {
  switch (op & kCommand) {
    case FUTEX_LOCK_PI:
    case FUTEX_UNLOCK_PI:
    case FUTEX_TRYLOCK_PI:
    case 13:  // FUTEX_LOCK_PI2
      return true;
    default:
      return false;
  }
}

int64_t PiFutex(ThreadPage* t, const uint64_t* a) {
  if (a[0] & 3) return kEinval;
  if (a[0] > Info().max_addr - 4) return kEfault;
  if ((a[1] & kCommand) == FUTEX_UNLOCK_PI) return Unlock(t, a);
  return Lock(t, a, (a[1] & kCommand) != FUTEX_TRYLOCK_PI);
}

}  // namespace runsc::stub
