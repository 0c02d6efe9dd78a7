// The host timerfd whose cancellation means that the clock was set.
#include "sentry/fs/clock_watch.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstdint>
#include <limits>

#include "sentry/kernel/host_thread.h"

namespace runsc {

ClockWatch& ClockWatch::Get() {
  static ClockWatch* const watch = new ClockWatch;
  return *watch;
}

// Expires at the end of time: only its cancellation is of interest.
bool ClockWatch::Open() {
  UniqueFd timer(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC));
  itimerspec never{};
  never.it_value.tv_sec = std::numeric_limits<int64_t>::max() / 1'000'000'000;
  if (!timer.valid()) return false;
  if (timerfd_settime(timer.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) != 0) return false;
  timer_ = std::move(timer);
  return true;
}

void ClockWatch::Add(ClockListener& listener) {
  MutexLock l(mu_);
  listeners_.insert(&listener);
  if (!started_ && timer_.valid()) started_ = StartDetachedThread("clock-watch", kTaskStackSize, &ThreadMain, this);
}

void ClockWatch::Remove(ClockListener& listener) {
  MutexLock l(mu_);
  listeners_.erase(&listener);
}

void ClockWatch::Announce() {
  MutexLock l(mu_);
  for (ClockListener* listener : listeners_) listener->OnClockSet();
}

void ClockWatch::ThreadMain(void* self) {
  auto& watch = *static_cast<ClockWatch*>(self);
  for (;;) {
    uint64_t expirations;
    if (read(watch.timer_.get(), &expirations, sizeof(expirations)) >= 0) return;  // the end of time
    if (errno == ECANCELED) {
      watch.Announce();
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace runsc
