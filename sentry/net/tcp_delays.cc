// The timer behind TCP's delays.
#include "sentry/net/tcp_delays.h"

#include "sentry/kernel/kernel.h"

namespace runsc {

TcpDelays& TcpDelays::Get() {
  static TcpDelays* const delays = new TcpDelays;
  return *delays;
}

void TcpDelays::SetTimerLocked() { timer_.Set(actions_.empty() ? kNever : actions_.begin()->first.first, 0); }

TcpDelays::Id TcpDelays::Add(Deadline when, std::function<void()> action) {
  MutexLock l(mu_);
  const Id id{when, ++last_id_};
  const auto it = actions_.emplace(id, std::move(action)).first;
  if (it == actions_.begin()) SetTimerLocked();
  return id;
}

// What the action keeps alive may end with it: outside the lock.
void TcpDelays::Cancel(const Id& id) {
  std::function<void()> action;
  MutexLock l(mu_);
  const auto it = actions_.find(id);
  if (it == actions_.end()) return;
  action = std::move(it->second);
  actions_.erase(it);
  if (actions_.empty()) SetTimerLocked();
}

bool TcpDelays::RunNext(Deadline now) {
  std::function<void()> action;
  {
    MutexLock l(mu_);
    if (actions_.empty() || actions_.begin()->first.first > now) return false;
    action = std::move(actions_.begin()->second);
    actions_.erase(actions_.begin());
  }
  action();
  return true;
}

void TcpDelays::RunDue() {
  const Deadline now = Kernel::MonotonicNs();
  while (RunNext(now)) {
  }
  MutexLock l(mu_);
  SetTimerLocked();
}

}  // namespace runsc
