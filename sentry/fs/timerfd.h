// timerfd_create(2): expirations of a timer as a readable file.
#pragma once

#include "sentry/fs/anon_file.h"
#include "sentry/kernel/timers.h"

namespace runsc {

// Times on `clock` are turned into monotonic ones when set: a jump of the host's clock moves no timer.
class TimerFile : public AnonFile {
 public:
  static const char kKind;
  TimerFile(RefPtr<AnonInode> inode, TimerQueue& timers, clockid_t clock, int flags);
  const void* kind() const override { return &kKind; }

  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &queue_; }
  std::string FdInfo() const override;

  // timerfd_settime; `spec` was validated. Returns what was set before.
  itimerspec Set(const itimerspec& spec, int flags);
  itimerspec Get() const;

 private:
  const clockid_t clock_;
  std::atomic<int> set_flags_{0};
  WaitQueue queue_;  // outlives the timer, which notifies it
  Timer timer_;
};

// EINVAL for clocks a timer cannot follow. flags: TFD_NONBLOCK.
Result<RefPtr<File>> NewTimerFile(Task& task, clockid_t clock, int flags);

}  // namespace runsc
