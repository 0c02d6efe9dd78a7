// Notices when the host's clock is set: what waits for a time of day must look again.
#pragma once

#include <set>

#include "platform/base/mutex.h"
#include "platform/base/unique_fd.h"

namespace runsc {

// Told of every jump between construction and Stop, on the watching thread, with the watch's lock held.
class ClockListener {
 public:
  virtual void OnClockSet() = 0;

 protected:
  ~ClockListener() = default;
};

// A thread that sleeps in a host timerfd, which ends with ECANCELED when the clock is set. It starts with the
// first listener.
class ClockWatch {
 public:
  static ClockWatch& Get();
  // At boot, before the filter forbids timerfds. Without it no jump is ever noticed.
  bool Open();
  void Add(ClockListener& listener);     // no-op if it listens already
  void Remove(ClockListener& listener);  // after it, OnClockSet is not running
  void Announce();                       // the clock was set

 private:
  static void ThreadMain(void* self);

  Mutex mu_{LockRank::kFile};
  UniqueFd timer_;
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  std::set<ClockListener*> listeners_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc
