// Lists of waiters, told in the order they came.
#include "sentry/vfs/wait_queue.h"

namespace runsc {
namespace {

// Conditions nobody can opt out of.
constexpr EventMask kAlways = EPOLLERR | EPOLLHUP;

// A woken task removes its waiter while the waker may still hold the lock: a few retries are cheaper
// than sleeping on the lock.
constexpr int kRemoveSpins = 200;

void LockSpinning(Mutex& mu) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  for (int i = 0; i < kRemoveSpins; ++i) {
    if (mu.TryLock()) return;
    __builtin_ia32_pause();
  }
  mu.LockNested();
}

}  // namespace

WaitQueue::~WaitQueue() {
  MutexLock l(mu_);
  for (Waiter* w = head_; w != nullptr; w = w->next_) w->queue_ = nullptr;
}

void WaitQueue::Add(Waiter& waiter) {
  mu_.LockNested();
  waiter.queue_ = this;
  waiter.next_ = nullptr;
  waiter.prev_ = tail_;
  (tail_ != nullptr ? tail_->next_ : head_) = &waiter;
  tail_ = &waiter;
  count_.fetch_add(1, std::memory_order_seq_cst);
  mu_.Unlock();
}

void WaitQueue::Remove(Waiter& waiter) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  LockSpinning(mu_);
  if (waiter.queue_ == this) {
    (waiter.prev_ != nullptr ? waiter.prev_->next_ : head_) = waiter.next_;
    (waiter.next_ != nullptr ? waiter.next_->prev_ : tail_) = waiter.prev_;
    waiter.queue_ = nullptr;
    count_.fetch_sub(1, std::memory_order_seq_cst);
  }
  mu_.Unlock();
}

void WaitQueue::Notify(EventMask events) {
  // Orders the state change before the look at count_: a waiter registers, then looks at the state.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (count_.load(std::memory_order_relaxed) == 0) return;
  mu_.LockNested();
  NotifyLocked(events);
  mu_.Unlock();
}

void WaitQueue::NotifyLocked(EventMask events) {
  bool exclusive_served = false;
  Waiter* next;
  for (Waiter* w = head_; w != nullptr; w = next) {
    next = w->next_;
    if ((events & (w->mask_ | kAlways)) == 0) continue;
    if (!w->exclusive_) {
      w->OnNotify(events);
    } else if (!exclusive_served) {
      exclusive_served = w->OnNotifyExclusive(events);
    }
  }
}

}  // namespace runsc
