// The thread that waits for host descriptors.
#include "sentry/fs/host_notifier.h"

#include <poll.h>
#include <sys/epoll.h>

#include "sentry/kernel/host_thread.h"

namespace runsc {

EventMask HostReadiness(int host_fd, EventMask events) {
  pollfd p{host_fd, static_cast<short>(events), 0};
  const timespec now{};
  return ppoll(&p, 1, &now, nullptr) > 0 ? static_cast<uint16_t>(p.revents) : 0;
}

HostNotifier& HostNotifier::Get() {
  static HostNotifier* const notifier = new HostNotifier;
  return *notifier;
}

Result<void> HostNotifier::StartLocked() {
  if (epoll_.valid()) return {};
  epoll_.reset(TRY(FromHost(epoll_create1(EPOLL_CLOEXEC))));
  if (StartDetachedThread("notifier", kTaskStackSize, &ThreadMain, this)) return {};
  epoll_.reset();
  return Errno(EAGAIN);
}

Result<void> HostNotifier::Watch(int host_fd, WaitQueue& queue) {
  MutexLock l(mu_);
  TRY(StartLocked());
  // Edges only: whoever waits looks at the state first.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
  event.data.fd = host_fd;
  TRY(FromHost(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, host_fd, &event)));
  queues_[host_fd] = &queue;
  return {};
}

void HostNotifier::Unwatch(int host_fd) {
  MutexLock l(mu_);
  if (queues_.erase(host_fd) > 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, host_fd, nullptr);
}

void HostNotifier::Deliver(int host_fd, EventMask events) {
  MutexLock l(mu_);
  auto it = queues_.find(host_fd);
  if (it != queues_.end()) it->second->Notify(events);
}

void HostNotifier::ThreadMain(void* self) {
  auto& notifier = *static_cast<HostNotifier*>(self);
  epoll_event events[16];
  for (;;) {
    const int n = epoll_wait(notifier.epoll_.get(), events, 16, -1);
    for (int i = 0; i < n; ++i) notifier.Deliver(events[i].data.fd, events[i].events);
  }
}

}  // namespace runsc
