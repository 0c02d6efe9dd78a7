// timerfd_create(2): expirations of a timer as a readable file.
#pragma once

#include "sentry/fs/anon_file.h"
#include "sentry/fs/clock_watch.h"
#include "sentry/kernel/timers.h"

namespace runsc {

// Times on `clock` are turned into monotonic ones when set, and moved when the clock is set.
class TimerFile : public AnonFile, private ClockListener {
 public:
  static const char kKind;
  TimerFile(RefPtr<AnonInode> inode, TimerQueue& timers, clockid_t clock, int flags);
  ~TimerFile() override;
  const void* kind() const override { return &kKind; }
  unsigned abilities() const override { return kReads; }

  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &queue_; }
  std::string FdInfo() const override;

  // timerfd_settime; `spec` was validated. Returns what was set before. ECANCELED, although the timer is set:
  // nobody had been told yet that the clock was set.
  Result<itimerspec> Set(const itimerspec& spec, int flags);
  itimerspec Get() const;

 private:
  void OnClockSet() override;
  bool FollowsTimeOfDay(int flags) const;

  const clockid_t clock_;
  std::atomic<int> set_flags_{0};
  std::atomic<int64_t> offset_{0};      // time of day less monotonic time, when last looked at
  std::atomic<bool> cancelled_{false};  // TFD_TIMER_CANCEL_ON_SET: the clock was set, not told yet
  WaitQueue queue_;                     // outlives the timer, which notifies it
  Timer timer_;
};

// EINVAL for clocks a timer cannot follow. flags: TFD_NONBLOCK.
Result<RefPtr<File>> NewTimerFile(Task& task, clockid_t clock, int flags);

}  // namespace runsc
