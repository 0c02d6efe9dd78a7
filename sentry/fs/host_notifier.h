// Readiness of host descriptors, turned into notifications of wait queues.
#pragma once

#include <map>

#include "platform/base/mutex.h"
#include "platform/base/result.h"
#include "platform/base/unique_fd.h"
#include "sentry/vfs/wait_queue.h"

namespace runsc {

// The events of `events` that are true of a host descriptor now, errors included.
EventMask HostReadiness(int host_fd, EventMask events);

// One thread sleeping in epoll_wait, started by the first watch.
class HostNotifier {
 public:
  static HostNotifier& Get();
  // Notifies `queue` of changes of `host_fd` from now on. EPERM: the file is always ready.
  Result<void> Watch(int host_fd, WaitQueue& queue);
  void Unwatch(int host_fd);  // after it, the queue is not touched any more

 private:
  static void ThreadMain(void* self);
  Result<void> StartLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Deliver(int host_fd, EventMask events);

  Mutex mu_{LockRank::kFile};
  UniqueFd epoll_;  // made by the first watch
  std::map<int, WaitQueue*> queues_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc
