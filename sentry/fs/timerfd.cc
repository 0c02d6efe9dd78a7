// The timer of timerfd_create(2).
#include "sentry/fs/timerfd.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <cstdio>

#include "sentry/kernel/kernel.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

bool IsTimerClock(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
         clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;
}

bool IsAlarmClock(clockid_t clock) { return clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM; }

int64_t NowOn(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return ToNs(now);
}

// The alarm clocks only differ in waking a suspended machine.
clockid_t PlainClock(clockid_t clock) {
  if (clock == CLOCK_REALTIME_ALARM) return CLOCK_REALTIME;
  return clock == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME : clock;
}

Deadline FirstExpiration(clockid_t clock, int64_t value, bool absolute) {
  const int64_t now = Kernel::MonotonicNs();
  if (!absolute) return DeadlineAfter(now, value);
  if (clock == CLOCK_MONOTONIC) return value;
  const int64_t left = value - NowOn(PlainClock(clock));
  return DeadlineAfter(now, std::max<int64_t>(left, 0));
}

int64_t TimeOfDayOffset() { return Kernel::RealtimeNs() - Kernel::MonotonicNs(); }

}  // namespace

const char TimerFile::kKind = 0;

TimerFile::TimerFile(RefPtr<AnonInode> inode, TimerQueue& timers, clockid_t clock, int flags)
    : AnonFile(std::move(inode), "anon_inode:[timerfd]", O_RDWR | flags),
      clock_(clock),
      timer_(timers, [this] { queue_.Notify(EPOLLIN); }) {}

TimerFile::~TimerFile() { ClockWatch::Get().Remove(*this); }

bool TimerFile::FollowsTimeOfDay(int flags) const {
  return PlainClock(clock_) == CLOCK_REALTIME && (flags & TFD_TIMER_ABSTIME);
}

// Whoever waits for a time of day waits longer or shorter now.
void TimerFile::OnClockSet() {
  const int flags = set_flags_.load();
  if (!FollowsTimeOfDay(flags)) return;
  const int64_t offset = TimeOfDayOffset();
  timer_.Shift(offset_.exchange(offset) - offset);
  if (!(flags & TFD_TIMER_CANCEL_ON_SET)) return;
  cancelled_ = true;
  queue_.Notify(EPOLLIN);
}

Result<size_t> TimerFile::Read(Task& task, IoSink& dst, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  if (dst.remaining() < sizeof(uint64_t)) return Errno(EINVAL);
  if (cancelled_.exchange(false)) {
    (void)timer_.TakeExpirations();
    return Errno(ECANCELED);
  }
  const uint64_t expirations = timer_.TakeExpirations();
  if (expirations == 0) return Errno(EAGAIN);
  TRY(dst.Write(std::as_bytes(std::span(&expirations, 1))));
  return sizeof(expirations);
}

EventMask TimerFile::Readiness(EventMask mask) { return cancelled_ || timer_.expirations() > 0 ? EPOLLIN & mask : 0; }

itimerspec TimerFile::Get() const {
  const Timer::Setting setting = timer_.setting();
  itimerspec spec{};
  spec.it_interval = ToTimespec(setting.interval_ns);
  if (setting.next == kNever) return spec;
  int64_t left = setting.next - Kernel::MonotonicNs();
  // Due but not taken yet: the next period counts, as Linux shows it.
  if (left <= 0 && setting.interval_ns > 0) left = setting.interval_ns - (-left % setting.interval_ns);
  spec.it_value = ToTimespec(std::max<int64_t>(left, setting.interval_ns > 0 ? 1 : 0));
  return spec;
}

Result<itimerspec> TimerFile::Set(const itimerspec& spec, int flags) {
  const itimerspec old = Get();
  set_flags_ = flags;
  offset_ = TimeOfDayOffset();
  if (FollowsTimeOfDay(flags)) ClockWatch::Get().Add(*this);
  const bool cancelled = cancelled_.exchange(false) && (flags & TFD_TIMER_CANCEL_ON_SET);
  const int64_t value = ToNs(spec.it_value);
  if (value == 0) {
    timer_.Cancel();
  } else {
    timer_.Set(FirstExpiration(clock_, value, flags & TFD_TIMER_ABSTIME), ToNs(spec.it_interval));
    if (cancelled) return Errno(ECANCELED);
  }
  return old;
}

std::string TimerFile::FdInfo() const {
  const itimerspec now = Get();
  char text[224];
  std::snprintf(text, sizeof(text),
                "clockid: %d\nticks: %lu\nsettime flags: 0%o\nit_value: (%ld, %ld)\nit_interval: (%ld, %ld)\n", clock_,
                timer_.expirations(), set_flags_.load(), now.it_value.tv_sec, now.it_value.tv_nsec,
                now.it_interval.tv_sec, now.it_interval.tv_nsec);
  return text;
}

Result<RefPtr<File>> NewTimerFile(Task& task, clockid_t clock, int flags) {
  if (!IsTimerClock(clock)) return Errno(EINVAL);
  if (IsAlarmClock(clock) && !task.creds()->Has(CAP_WAKE_ALARM)) return Errno(EPERM);
  return RefPtr<File>(MakeRef<TimerFile>(NewAnonInode(task), task.kernel().timers(), clock, flags & O_NONBLOCK));
}

}  // namespace runsc
