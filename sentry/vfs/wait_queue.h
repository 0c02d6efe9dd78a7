// Readiness lists: everything a task can wait for embeds a WaitQueue.
#pragma once

#include <poll.h>
#include <sys/epoll.h>

#include <atomic>
#include <cstdint>

#include "platform/base/mutex.h"

namespace runsc {

// Poll bits, as in poll(2) and epoll(7): EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLPRI...
using EventMask = uint32_t;

class WaitQueue;

// An entry in at most one WaitQueue. Whoever owns it must Remove it before it dies.
class Waiter {
 public:
  explicit Waiter(EventMask mask) : mask_(mask) {}
  virtual ~Waiter() = default;
  Waiter(const Waiter&) = delete;
  // Called with the queue's lock held (rank kWaitQueue): may only set flags, wake a task, or take
  // locks of higher rank. `events` are the bits that became true.
  virtual void OnNotify(EventMask events) = 0;
  // As OnNotify, for wake-one waiters: false if this one had no use for the event, so that the next
  // waiter gets it.
  virtual bool OnNotifyExclusive(EventMask events) {
    OnNotify(events);
    return true;
  }
  EventMask mask() const { return mask_; }
  void set_mask(EventMask mask) { mask_ = mask; }  // only while not queued
  // Wake-one waiters: Notify stops after the first exclusive waiter it called (EPOLLEXCLUSIVE,
  // blocked accept and the like).
  void set_exclusive(bool exclusive) { exclusive_ = exclusive; }

 private:
  friend class WaitQueue;
  EventMask mask_;
  bool exclusive_ = false;
  WaitQueue* queue_ = nullptr;
  Waiter* next_ = nullptr;
  Waiter* prev_ = nullptr;
};

class WaitQueue {
 public:
  WaitQueue() = default;
  ~WaitQueue();
  WaitQueue(const WaitQueue&) = delete;
  void Add(Waiter& waiter);
  void Remove(Waiter& waiter);  // no-op if not queued; after return OnNotify is not running
  // Calls every waiter whose mask intersects `events` (EPOLLERR and EPOLLHUP always match). Call it after
  // the new state is visible. Queues nest (an epoll instance in another one), never in a loop.
  void Notify(EventMask events);
  bool empty() const { return count_.load(std::memory_order_seq_cst) == 0; }

 private:
  void NotifyLocked(EventMask events) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_{LockRank::kWaitQueue};
  std::atomic<uint32_t> count_{0};  // so that nobody waiting costs no lock
  Waiter* head_ ABSL_GUARDED_BY(mu_) = nullptr;
  Waiter* tail_ ABSL_GUARDED_BY(mu_) = nullptr;
};

}  // namespace runsc
