// Priority-inheriting futexes: the words are the host's to wait on, but hold the guest's thread ids, so locking
// and handing over happen here. No priority is lent; who unlocks wakes one waiter, who takes what is free.
//
// Part of the stub too: freestanding. A Host is a guest thread's way to its memory and to the host's futexes:
//   uint32_t tid()                                   what the guest calls the thread
//   bool Load(addr, uint32_t* word)
//   int64_t Exchange(addr, old_value, new_value)     0: exchanged, 1: not, or an error
//   int64_t Wait(addr, op, value, timeout)           futex(2); an error of its own when it was interrupted
//   void Wake(addr, op)                              one waiter
#pragma once

#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>

#include "platform/stub/stub_layout.h"

namespace runsc::stub {

inline constexpr uint64_t kFutexCommand = 0x7f;

inline bool IsPiFutex(uint64_t op) {
  switch (op & kFutexCommand) {
    case FUTEX_LOCK_PI:
    case FUTEX_UNLOCK_PI:
    case FUTEX_TRYLOCK_PI:
    case 13:  // FUTEX_LOCK_PI2
      return true;
    default:
      return false;
  }
}

// FUTEX_LOCK_PI's timeouts are on the realtime clock; FUTEX_LOCK_PI2 says which.
inline uint64_t PiWaitOp(uint64_t op) {
  const uint64_t clock = (op & kFutexCommand) == FUTEX_LOCK_PI ? FUTEX_CLOCK_REALTIME : op & FUTEX_CLOCK_REALTIME;
  return FUTEX_WAIT_BITSET | (op & FUTEX_PRIVATE_FLAG) | clock;
}

template <typename Host>
int64_t LockPi(Host& host, const uint64_t* args, bool wait) {
  const uint32_t tid = host.tid();
  uint32_t others = 0;  // once we slept there may be more sleepers
  for (;;) {
    uint32_t word;
    if (!host.Load(args[0], &word)) return -EFAULT;
    const uint32_t owner = word & FUTEX_TID_MASK;
    if (owner == tid) return -EDEADLK;
    if (owner != 0 && !wait) return -EAGAIN;
    const uint32_t next = owner == 0 ? tid | (word & ~FUTEX_TID_MASK) | others : word | FUTEX_WAITERS;
    const int64_t missed = next == word ? 0 : host.Exchange(args[0], word, next);
    if (missed < 0) return missed;
    if (missed) continue;
    if (owner == 0) return 0;
    const int64_t slept = host.Wait(args[0], PiWaitOp(args[1]), next, args[3]);
    if (slept != 0 && slept != -EAGAIN) return slept;
    others = FUTEX_WAITERS;
  }
}

template <typename Host>
int64_t UnlockPi(Host& host, const uint64_t* args) {
  for (;;) {
    uint32_t word;
    if (!host.Load(args[0], &word)) return -EFAULT;
    if ((word & FUTEX_TID_MASK) != host.tid()) return -EPERM;
    const int64_t missed = host.Exchange(args[0], word, 0);
    if (missed < 0) return missed;
    if (missed) continue;
    if (word & FUTEX_WAITERS) host.Wake(args[0], FUTEX_WAKE | (args[1] & FUTEX_PRIVATE_FLAG));
    return 0;
  }
}

// futex(2) with an operation on a word that names its owner; `args` are the call's.
template <typename Host>
int64_t PiFutex(Host& host, const uint64_t* args) {
  if (args[0] & 3) return -EINVAL;
  if (args[0] > GUEST_MAX_ADDR - 4) return -EFAULT;
  const uint64_t command = args[1] & kFutexCommand;
  if (command == FUTEX_UNLOCK_PI) return UnlockPi(host, args);
  return LockPi(host, args, command != FUTEX_TRYLOCK_PI);
}

}  // namespace runsc::stub
