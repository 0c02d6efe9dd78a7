// A process' timers: setitimer(2) and timer_create(2), over the sentry's timer thread.
#pragma once

#include <map>
#include <memory>

#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"

namespace runsc {

// Time on a clock a timer can count: the host's clocks, or CPU time of a process or thread.
struct GuestClock {
  clockid_t id = CLOCK_MONOTONIC;
  RefPtr<ThreadGroup> process;  // for CPU clocks: whose time, all threads...
  RefPtr<Task> thread;          // ...or one
  bool user_only = false;       // ITIMER_VIRTUAL
  bool IsCpu() const { return process || thread; }
  int64_t Now() const;
  // The monotonic time at which the clock will (at the earliest) show `target`.
  Deadline MonotonicAt(int64_t target) const;
};

// CLOCK_* and the encoded CPU clocks of other processes. EINVAL.
Result<GuestClock> ResolveClock(Task& task, clockid_t id);

// Counts on any clock; calls back on the timer thread at every expiration.
class ClockTimer {
 public:
  ClockTimer(TimerQueue& queue, GuestClock clock, std::function<void(uint64_t overruns)> on_expire);
  ~ClockTimer();
  struct Value {
    int64_t remaining_ns = 0, interval_ns = 0;
  };
  // Absolute or relative; 0 relative disarms. Returns the old value.
  Value Set(int64_t value_ns, int64_t interval_ns, bool absolute);
  Value Get();
  const GuestClock& clock() const { return clock_; }

 private:
  void OnTimer();
  bool Expire(uint64_t& periods) ABSL_LOCKS_EXCLUDED(mu_);

  const GuestClock clock_;
  const std::function<void(uint64_t)> on_expire_;
  Mutex mu_{LockRank::kThreadGroup};
  int64_t target_ ABSL_GUARDED_BY(mu_) = 0;  // on the clock; 0: disarmed
  int64_t interval_ ABSL_GUARDED_BY(mu_) = 0;
  Timer timer_;  // last: its callback uses the others
};

// One of timer_create(2).
struct PosixTimer {
  sigevent event{};
  int id = 0;
  int target_tid = 0;  // SIGEV_THREAD_ID
  std::atomic<int> overruns{0};
  std::unique_ptr<ClockTimer> timer;
};

struct ThreadGroup::Timers {
  explicit Timers(ThreadGroup& group) : group_(group) {}
  ClockTimer& itimer(int which);  // ITIMER_REAL, _VIRTUAL, _PROF
  void DeletePosixTimers();       // exec
  void ArmCpuLimit();             // RLIMIT_CPU was set or inherited

  Mutex mu{LockRank::kThreadGroup};
  std::map<int, std::shared_ptr<PosixTimer>> posix ABSL_GUARDED_BY(mu);
  int next_id ABSL_GUARDED_BY(mu) = 0;

 private:
  ThreadGroup& group_;
  std::unique_ptr<ClockTimer> itimers_[3] ABSL_GUARDED_BY(mu);
  std::unique_ptr<ClockTimer> cpu_limit_ ABSL_GUARDED_BY(mu);
};

inline constexpr size_t kMaxPosixTimers = 4096;
// What an expiration of `timer` does to its process.
void SendTimerSignal(ThreadGroup& group, PosixTimer& timer, uint64_t periods);

}  // namespace runsc
