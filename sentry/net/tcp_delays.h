// What TCP does some time later: shows held bytes to their reader, hands over a connection that was to wait for bytes.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "platform/base/mutex.h"
#include "sentry/kernel/timers.h"

namespace runsc {

// One timer for all connections; it runs while something is due. Never destroyed.
class TcpDelays {
 public:
  using Id = std::pair<Deadline, uint64_t>;
  static TcpDelays& Get();

  // `action` keeps what it needs alive, and runs without locks.
  Id Add(Deadline when, std::function<void()> action);
  void Cancel(const Id& id);  // no-op if it ran, or runs

 private:
  TcpDelays() : timer_(queue_, [this] { RunDue(); }) {}
  void RunDue();
  bool RunNext(Deadline now);
  void SetTimerLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  TimerQueue queue_;
  Timer timer_;
  Mutex mu_{LockRank::kSocket};
  std::map<Id, std::function<void()>> actions_ ABSL_GUARDED_BY(mu_);
  uint64_t last_id_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace runsc
