// Timers of the sentry: one thread that sleeps until the earliest deadline, and never ticks.
#pragma once

#include <atomic>
#include <functional>
#include <set>
#include <utility>

#include "platform/base/mutex.h"
#include "sentry/kernel/deadline.h"

namespace runsc {

class Timer;

// `periods` after `first`; periods beyond the end of time never come.
inline Deadline AfterPeriods(Deadline first, int64_t periods, int64_t interval_ns) {
  int64_t passed;
  return __builtin_mul_overflow(periods, interval_ns, &passed) ? kNever : DeadlineAfter(first, passed);
}

// Owns the timer thread, which starts with the first timer set.
class TimerQueue {
 public:
  TimerQueue() = default;
  ~TimerQueue();  // all timers must be gone
  TimerQueue(const TimerQueue&) = delete;

 private:
  friend class Timer;
  static void ThreadMain(void* queue);
  void RunExpired() ABSL_LOCKS_EXCLUDED(mu_);
  bool FireNext(Deadline now) ABSL_LOCKS_EXCLUDED(mu_);
  void InsertLocked(Timer& timer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RemoveLocked(Timer& timer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WakeThread();
  Deadline EarliestLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Mutex mu_{LockRank::kTimer};
  std::set<std::pair<Deadline, Timer*>> armed_ ABSL_GUARDED_BY(mu_);
  Timer* running_ ABSL_GUARDED_BY(mu_) = nullptr;  // whose callback runs now
  bool thread_started_ ABSL_GUARDED_BY(mu_) = false;
  std::atomic<uint32_t> version_{0};         // the timer thread sleeps on it
  std::atomic<uint32_t> callbacks_done_{0};  // Cancel and ~Timer sleep on it
  std::atomic<bool> stopping_{false}, stopped_{false};
};

// A one-shot or periodic timer. The callback runs on the timer thread with no lock held and must be
// short; it may call any method of this timer but not destroy it.
class Timer {
 public:
  Timer(TimerQueue& queue, std::function<void()> on_expire);
  ~Timer();  // waits for a running callback: never destroy one while holding a lock the callback takes
  Timer(const Timer&) = delete;

  // Arms it to expire at `first` (monotonic; past means at once) and every interval_ns after (0: once).
  // Forgets expirations not taken yet.
  void Set(Deadline first, int64_t interval_ns);
  void Cancel() { Set(kNever, 0); }
  // Moves the expirations still to come by `ns`: the clock it follows was set.
  void Shift(int64_t ns);
  // Expirations since Set or the last take; counts late ones too.
  uint64_t TakeExpirations();
  uint64_t expirations() const;

  struct Setting {
    Deadline next = kNever;  // kNever: not armed
    int64_t interval_ns = 0;
  };
  Setting setting() const;

 private:
  friend class TimerQueue;
  void AdvanceLocked(Deadline now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(queue_.mu_);

  TimerQueue& queue_;
  const std::function<void()> on_expire_;
  Setting setting_ ABSL_GUARDED_BY(queue_.mu_);
  uint64_t expirations_ ABSL_GUARDED_BY(queue_.mu_) = 0;
};

}  // namespace runsc
