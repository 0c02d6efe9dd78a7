#include "sentry/kernel/timers.h"

#include <sys/prctl.h>

#include <algorithm>

#include "sentry/kernel/host_thread.h"
#include "sentry/kernel/kernel.h"

namespace runsc {
namespace {

thread_local bool is_timer_thread = false;

}  // namespace

TimerQueue::~TimerQueue() {
  {
    MutexLock l(mu_);
    if (!thread_started_) return;
  }
  stopping_ = true;
  WakeThread();
  while (!stopped_) FutexWaitHost(&callbacks_done_, callbacks_done_.load(), Kernel::MonotonicNs() + 10'000'000);
}

void TimerQueue::WakeThread() {
  version_.fetch_add(1);
  FutexWakeHost(&version_, 1);
}

Deadline TimerQueue::EarliestLocked() const { return armed_.empty() ? kNever : armed_.begin()->first; }

// timer.queue_ is this queue.
void TimerQueue::InsertLocked(Timer& timer) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const Deadline next = timer.setting_.next;
  const bool earlier = next < EarliestLocked();
  armed_.emplace(next, &timer);
  if (!thread_started_) {
    thread_started_ = StartDetachedThread("timers", kTaskStackSize, &ThreadMain, this);
  } else if (earlier) {
    WakeThread();
  }
}

// timer.queue_ is this queue.
void TimerQueue::RemoveLocked(Timer& timer) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  armed_.erase({timer.setting_.next, &timer});
}

void TimerQueue::ThreadMain(void* raw) {
  auto& queue = *static_cast<TimerQueue*>(raw);
  is_timer_thread = true;
  prctl(PR_SET_TIMERSLACK, 1);  // guests measure their sleeps
  while (!queue.stopping_) queue.RunExpired();
  queue.stopped_ = true;
}

void TimerQueue::RunExpired() {
  const uint32_t version = version_.load();
  while (FireNext(Kernel::MonotonicNs())) {
  }
  Deadline next;
  {
    MutexLock l(mu_);
    next = EarliestLocked();
  }
  if (!stopping_) FutexWaitHost(&version_, version, next);
}

// timer.queue_ is this queue.
bool TimerQueue::FireNext(Deadline now) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  Timer* timer;
  {
    MutexLock l(mu_);
    if (EarliestLocked() > now) return false;
    timer = running_ = armed_.begin()->second;
    timer->AdvanceLocked(now);
  }
  timer->on_expire_();
  {
    MutexLock l(mu_);
    running_ = nullptr;
  }
  callbacks_done_.fetch_add(1);
  FutexWakeHost(&callbacks_done_, INT32_MAX);
  return true;
}

Timer::Timer(TimerQueue& queue, std::function<void()> on_expire) : queue_(queue), on_expire_(std::move(on_expire)) {}

Timer::~Timer() {
  Cancel();
  if (is_timer_thread) return;
  for (;;) {
    const uint32_t done = queue_.callbacks_done_.load();
    {
      MutexLock l(queue_.mu_);
      if (queue_.running_ != this) return;
    }
    FutexWaitHost(&queue_.callbacks_done_, done, kNever);
  }
}

void Timer::Set(Deadline first, int64_t interval_ns) {
  MutexLock l(queue_.mu_);
  if (setting_.next != kNever) queue_.RemoveLocked(*this);
  setting_ = {first, interval_ns};
  expirations_ = 0;
  if (first != kNever) queue_.InsertLocked(*this);
}

// Counts every period that has passed and re-arms for the first one still to come.
void Timer::AdvanceLocked(Deadline now) {
  queue_.RemoveLocked(*this);
  if (setting_.interval_ns <= 0) {
    ++expirations_;
    setting_.next = kNever;
    return;
  }
  const int64_t periods = (now - setting_.next) / setting_.interval_ns + 1;
  expirations_ += static_cast<uint64_t>(periods);
  setting_.next = AfterPeriods(setting_.next, periods, setting_.interval_ns);
  if (setting_.next != kNever) queue_.InsertLocked(*this);
}

void Timer::Shift(int64_t ns) {
  MutexLock l(queue_.mu_);
  if (setting_.next == kNever) return;
  queue_.RemoveLocked(*this);
  setting_.next = ns < 0 ? std::max<int64_t>(setting_.next + ns, 0) : DeadlineAfter(setting_.next, ns);
  if (setting_.next != kNever) queue_.InsertLocked(*this);
}

uint64_t Timer::TakeExpirations() {
  MutexLock l(queue_.mu_);
  const Deadline now = Kernel::MonotonicNs();
  if (setting_.next <= now) AdvanceLocked(now);
  return std::exchange(expirations_, 0);
}

uint64_t Timer::expirations() const {
  MutexLock l(queue_.mu_);
  return expirations_ + (setting_.next <= Kernel::MonotonicNs() ? 1 : 0);
}

Timer::Setting Timer::setting() const {
  MutexLock l(queue_.mu_);
  return setting_;
}

}  // namespace runsc
