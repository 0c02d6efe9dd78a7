#include "sentry/net/time_wait.h"

#include <netinet/tcp.h>

namespace runsc {

void TimeWaitTable::Add(const TimeWait& wait) {
  Remove(wait.claim.local, wait.remote);
  const Key key = KeyOf(wait.claim.local, wait.remote);
  waits_.emplace(key, wait);
  by_end_.emplace(wait.until_ns, key);
}

void TimeWaitTable::Remove(const IpEndpoint& local, const IpEndpoint& remote) {
  const auto it = waits_.find(KeyOf(local, remote));
  if (it == waits_.end()) return;
  by_end_.erase({it->second.until_ns, it->first});
  waits_.erase(it);
}

void TimeWaitTable::Expire(int64_t now_ns) {
  while (!by_end_.empty() && by_end_.begin()->first <= now_ns) {
    const auto it = waits_.find(by_end_.begin()->second);
    if (it->second.state == TCP_TIME_WAIT) ++ended_;
    waits_.erase(it);
    by_end_.erase(by_end_.begin());
  }
}

const TimeWait* TimeWaitTable::Find(const IpEndpoint& local, const IpEndpoint& remote) const {
  const auto it = waits_.find(KeyOf(local, remote));
  return it == waits_.end() ? nullptr : &it->second;
}

std::vector<TimeWait> TimeWaitTable::All() const {
  std::vector<TimeWait> out;
  for (const auto& [key, wait] : waits_) out.push_back(wait);
  return out;
}

}  // namespace runsc
