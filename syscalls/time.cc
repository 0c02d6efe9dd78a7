// Clocks, sleeping and timers.
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>

#include <algorithm>

#include "sentry/kernel/process_timers.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/wait.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

constexpr int64_t kNsPerTick = kNsPerSecond / 100;  // USER_HZ

bool IsCoarse(clockid_t id) { return id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE; }

// Sleeps until the clock shows `target`.
Result<void> SleepUntil(Task& task, const GuestClock& clock, int64_t target) {
  while (clock.Now() < target) {
    auto slept = task.Block(clock.MonotonicAt(target));
    if (!slept.ok() && !(slept.error() == Errno(ETIMEDOUT))) return slept;
  }
  return {};
}

// A relative sleep reports what is left, and goes on with exactly that after a signal without a handler.
SyscallResult SleepWithRest(Task& task, const GuestClock& clock, int64_t target, GuestAddr rest_addr) {
  const auto slept = SleepUntil(task, clock, target);
  if (slept.ok()) return int64_t{0};
  if (rest_addr != 0) {
    TRY(task.CopyOutObject(rest_addr, ToTimespec(std::max<int64_t>(target - clock.Now(), 0))));
  }
  task.SetRestart([clock, target, rest_addr](Task& t) { return SleepWithRest(t, clock, target, rest_addr); });
  return kRestartBlock;
}

itimerval ToItimerval(const ClockTimer::Value& value) {
  const auto to_timeval = [](int64_t ns) { return timeval{ns / kNsPerSecond, ns % kNsPerSecond / 1000}; };
  return {to_timeval(value.interval_ns), to_timeval(value.remaining_ns)};
}

bool IsValidTimeval(const timeval& tv) { return tv.tv_sec >= 0 && tv.tv_usec >= 0 && tv.tv_usec < 1000000; }

int64_t TimevalNs(const timeval& tv) { return ToNs({tv.tv_sec, tv.tv_usec * 1000}); }

itimerspec ToItimerspec(const ClockTimer::Value& value) {
  return {ToTimespec(value.interval_ns), ToTimespec(value.remaining_ns)};
}

Result<std::shared_ptr<PosixTimer>> FindTimer(Task& task, int id) {
  auto& timers = *task.thread_group().timers;
  MutexLock l(timers.mu);
  const auto it = timers.posix.find(id);
  if (it == timers.posix.end()) return Errno(EINVAL);
  return it->second;
}

Result<sigevent> CopyInEvent(Task& task, GuestAddr addr, int id) {
  sigevent event{};
  if (addr == 0) {
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGALRM;
    event.sigev_value.sival_int = id;
    return event;
  }
  event = TRY(task.CopyInObject<sigevent>(addr));
  const int kind = event.sigev_notify & ~SIGEV_THREAD_ID;
  if (kind != SIGEV_SIGNAL && kind != SIGEV_NONE && kind != SIGEV_THREAD) return Errno(EINVAL);
  if (kind != SIGEV_NONE && (event.sigev_signo < 1 || event.sigev_signo > kMaxSignal)) return Errno(EINVAL);
  if (event.sigev_notify & SIGEV_THREAD_ID) {
    MutexLock l(task.kernel().task_set_mu());
    Task* target = task.kernel().FindTaskLocked(event._sigev_un._tid);
    if (target == nullptr || target->pid() != task.pid()) return Errno(EINVAL);
  }
  return event;
}

int64_t HostResolution(clockid_t id) { return IsCoarse(id) ? 4'000'000 : 1; }

clock_t Ticks(const timeval& tv) { return static_cast<clock_t>(TimevalNs(tv) / kNsPerTick); }

}  // namespace

// clock_gettime(2)
SyscallResult SysClockGettime(Task& task, int id, GuestAddr addr) {
  const GuestClock clock = TRY(ResolveClock(task, id));
  TRY(task.CopyOutObject(addr, ToTimespec(clock.Now())));
  return int64_t{0};
}

// clock_getres(2)
SyscallResult SysClockGetres(Task& task, int id, GuestAddr addr) {
  TRY(ResolveClock(task, id));
  if (addr != 0) TRY(task.CopyOutObject(addr, ToTimespec(HostResolution(id))));
  return int64_t{0};
}

// clock_settime(2): the clocks are the host's.
SyscallResult SysClockSettime(Task& task, int id, GuestAddr addr) {
  if (id != CLOCK_REALTIME) return Errno(EINVAL);
  const timespec ts = TRY(task.CopyInObject<timespec>(addr));
  if (!IsValidTimespec(ts)) return Errno(EINVAL);
  return Errno(EPERM);
}

// gettimeofday(2)
SyscallResult SysGettimeofday(Task& task, GuestAddr tv_addr, GuestAddr tz_addr) {
  const int64_t now = Kernel::RealtimeNs();
  if (tv_addr != 0) TRY(task.CopyOutObject(tv_addr, timeval{now / kNsPerSecond, now % kNsPerSecond / 1000}));
  if (tz_addr != 0) TRY(task.CopyOutObject(tz_addr, (struct timezone){0, 0}));
  return int64_t{0};
}

// settimeofday(2): what cannot be read or is no time is said first.
SyscallResult SysSettimeofday(Task& task, GuestAddr tv_addr, GuestAddr tz_addr) {
  if (tv_addr != 0) {
    const timeval tv = TRY(task.CopyInObject<timeval>(tv_addr));
    if (tv.tv_usec < 0 || tv.tv_usec >= 1000000) return Errno(EINVAL);
    if (!IsValidTimespec({tv.tv_sec, tv.tv_usec * 1000})) return Errno(EINVAL);
  }
  if (tz_addr != 0) TRY(task.CopyInObject<struct timezone>(tz_addr));
  return Errno(EPERM);
}

// time(2)
SyscallResult SysTime(Task& task, GuestAddr addr) {
  const int64_t now = Kernel::RealtimeNs() / kNsPerSecond;
  if (addr != 0) TRY(task.CopyOutObject(addr, now));
  return now;
}

namespace {

// Reading has no mode, or adjtime(3)'s.
Result<void> CheckOnlyReads(uint32_t modes) {
  constexpr uint32_t kAdjtime = 0x8000, kSingleShot = 1, kReadOnly = 0x2000;
  if (modes == 0) return {};
  if (!(modes & kAdjtime)) return Errno(EPERM);
  if (!(modes & kSingleShot)) return Errno(EINVAL);
  return modes & kReadOnly ? Result<void>() : Errno(EPERM);
}

}  // namespace

// adjtimex(2): reading only; the guest is told that nobody keeps its clock in step.
SyscallResult SysAdjtimex(Task& task, GuestAddr addr) {
  timex t = TRY(task.CopyInObject<timex>(addr));
  TRY(CheckOnlyReads(t.modes));
  t = {};
  t.status = STA_UNSYNC;
  t.tick = 10000;
  t.precision = 1;
  t.tolerance = 32768000;
  t.maxerror = t.esterror = 16000000;
  const int64_t now = Kernel::RealtimeNs();
  t.time = {now / kNsPerSecond, now % kNsPerSecond / 1000};
  TRY(task.CopyOutObject(addr, t));
  return int64_t{TIME_ERROR};
}

// clock_adjtime(2)
SyscallResult SysClockAdjtime(Task& task, int id, GuestAddr addr) {
  if (id != CLOCK_REALTIME) return Errno(EOPNOTSUPP);
  return SysAdjtimex(task, addr);
}

// nanosleep(2)
SyscallResult SysNanosleep(Task& task, GuestAddr request_addr, GuestAddr rest_addr) {
  const timespec request = TRY(task.CopyInObject<timespec>(request_addr));
  if (!IsValidTimespec(request)) return Errno(EINVAL);
  const GuestClock clock;
  return SleepWithRest(task, clock, DeadlineAfter(clock.Now(), ToNs(request)), rest_addr);
}

// clock_nanosleep(2)
SyscallResult SysClockNanosleep(Task& task, int id, int flags, GuestAddr request_addr, GuestAddr rest_addr) {
  const auto resolved = ResolveClock(task, id);
  if (!resolved.ok()) return resolved.error();
  const GuestClock& clock = *resolved;
  if (clock.thread || IsCoarse(id) || id == CLOCK_MONOTONIC_RAW) return Errno(clock.thread ? EINVAL : EOPNOTSUPP);
  const timespec request = TRY(task.CopyInObject<timespec>(request_addr));
  if (!IsValidTimespec(request)) return Errno(EINVAL);
  if (!(flags & TIMER_ABSTIME)) {
    return SleepWithRest(task, clock, DeadlineAfter(clock.Now(), ToNs(request)), rest_addr);
  }
  return SleepUntil(task, clock, ToNs(request)).ok() ? SyscallResult(int64_t{0}) : SyscallResult(kRestartNoHand);
}

// getitimer(2)
SyscallResult SysGetitimer(Task& task, int which, GuestAddr addr) {
  if (which < ITIMER_REAL || which > ITIMER_PROF) return Errno(EINVAL);
  TRY(task.CopyOutObject(addr, ToItimerval(task.thread_group().timers->itimer(which).Get())));
  return int64_t{0};
}

// setitimer(2)
SyscallResult SysSetitimer(Task& task, int which, GuestAddr new_addr, GuestAddr old_addr) {
  if (which < ITIMER_REAL || which > ITIMER_PROF) return Errno(EINVAL);
  itimerval value{};
  if (new_addr != 0) value = TRY(task.CopyInObject<itimerval>(new_addr));
  if (!IsValidTimeval(value.it_value) || !IsValidTimeval(value.it_interval)) return Errno(EINVAL);
  const auto old =
      task.thread_group().timers->itimer(which).Set(TimevalNs(value.it_value), TimevalNs(value.it_interval), false);
  if (old_addr != 0) TRY(task.CopyOutObject(old_addr, ToItimerval(old)));
  return int64_t{0};
}

// alarm(2): what was left is rounded to seconds, but never to none.
SyscallResult SysAlarm(Task& task, uint32_t seconds) {
  const auto old = task.thread_group().timers->itimer(ITIMER_REAL).Set(int64_t{seconds} * kNsPerSecond, 0, false);
  if (old.remaining_ns == 0) return int64_t{0};
  return std::max<int64_t>((old.remaining_ns + kNsPerSecond / 2) / kNsPerSecond, 1);
}

// timer_create(2)
SyscallResult SysTimerCreate(Task& task, int clock_id, GuestAddr event_addr, GuestAddr id_addr) {
  GuestClock clock = TRY(ResolveClock(task, clock_id));
  if (IsCoarse(clock_id) || clock_id == CLOCK_MONOTONIC_RAW) return Errno(EOPNOTSUPP);
  auto& timers = *task.thread_group().timers;
  auto timer = std::make_shared<PosixTimer>();
  {
    MutexLock l(timers.mu);
    if (timers.posix.size() >= kMaxPosixTimers) return Errno(EAGAIN);
    timer->id = timers.next_id++;
  }
  timer->event = TRY(CopyInEvent(task, event_addr, timer->id));
  timer->target_tid = timer->event._sigev_un._tid;
  ThreadGroup* group = &task.thread_group();  // the timers die before it
  PosixTimer* raw = timer.get();
  timer->timer = std::make_unique<ClockTimer>(task.kernel().timers(), std::move(clock), [group, raw](uint64_t periods) {
    SendTimerSignal(*group, *raw, periods);
  });
  TRY(task.CopyOutObject<int32_t>(id_addr, timer->id));
  const int id = timer->id;
  MutexLock l(timers.mu);
  timers.posix[id] = std::move(timer);
  return int64_t{0};
}

// timer_settime(2)
SyscallResult SysTimerSettime(Task& task, int id, int flags, GuestAddr new_addr, GuestAddr old_addr) {
  const itimerspec value = TRY(task.CopyInObject<itimerspec>(new_addr));
  if (!IsValidTimespec(value.it_value) || !IsValidTimespec(value.it_interval)) return Errno(EINVAL);
  const auto timer = TRY(FindTimer(task, id));
  timer->overruns = 0;
  const auto old = timer->timer->Set(ToNs(value.it_value), ToNs(value.it_interval), flags & TIMER_ABSTIME);
  if (old_addr != 0) TRY(task.CopyOutObject(old_addr, ToItimerspec(old)));
  return int64_t{0};
}

// timer_gettime(2)
SyscallResult SysTimerGettime(Task& task, int id, GuestAddr addr) {
  const auto timer = TRY(FindTimer(task, id));
  TRY(task.CopyOutObject(addr, ToItimerspec(timer->timer->Get())));
  return int64_t{0};
}

// timer_getoverrun(2)
SyscallResult SysTimerGetoverrun(Task& task, int id) { return int64_t{TRY(FindTimer(task, id))->overruns.load()}; }

// timer_delete(2)
SyscallResult SysTimerDelete(Task& task, int id) {
  std::shared_ptr<PosixTimer> timer;  // freed after the lock: its callback may be running
  auto& timers = *task.thread_group().timers;
  MutexLock l(timers.mu);
  const auto it = timers.posix.find(id);
  if (it == timers.posix.end()) return Errno(EINVAL);
  timer = std::move(it->second);
  timers.posix.erase(it);
  return int64_t{0};
}

// times(2)
SyscallResult SysTimes(Task& task, GuestAddr addr) {
  if (addr != 0) {
    struct rusage self, children;
    {
      MutexLock l(task.kernel().task_set_mu());
      self = GroupUsageLocked(task.thread_group());
      children = task.thread_group().children_usage;
    }
    const tms t{Ticks(self.ru_utime), Ticks(self.ru_stime), Ticks(children.ru_utime), Ticks(children.ru_stime)};
    TRY(task.CopyOutObject(addr, t));
  }
  return Kernel::MonotonicNs() / kNsPerTick;
}

}  // namespace runsc
