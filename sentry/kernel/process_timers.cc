#include "sentry/kernel/process_timers.h"

#include <algorithm>

#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/wait.h"

namespace runsc {
namespace {

constexpr int64_t kMinCpuPoll = 1'000'000;  // CPU clocks are polled: not more often than this

int64_t GroupCpuNs(ThreadGroup& group, bool user_only) {
  MutexLock l(group.kernel().task_set_mu());
  uint64_t total = group.exited_user_ns + (user_only ? 0 : group.exited_system_ns);
  for (Task* task : group.tasks) total += task->UserTimeNs() + (user_only ? 0 : task->SystemTimeNs());
  return static_cast<int64_t>(total);
}

int SaturatedInt(uint64_t n) { return static_cast<int>(std::min<uint64_t>(n, INT32_MAX)); }

size_t ThreadsOf(ThreadGroup& group) {
  MutexLock l(group.kernel().task_set_mu());
  return std::max<size_t>(group.tasks.size(), 1);
}

int64_t HostNow(clockid_t id) {
  timespec ts{};
  clock_gettime(id, &ts);
  return ToNs(ts);
}

bool IsHostClock(clockid_t id) {
  switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_TAI:
      return true;
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM: {
      timespec unused;
      return clock_gettime(id, &unused) == 0;  // a host without an RTC has none
    }
    default:
      return false;
  }
}

// Negative ids: ~pid in the upper bits, bit 2 for a thread, the low two bits choose the clock.
Result<GuestClock> ResolveCpuClock(Task& task, clockid_t id) {
  if ((id & 3) == 3) return Errno(EINVAL);
  const int pid = ~(id >> 3);
  GuestClock clock;
  clock.id = id;
  clock.user_only = (id & 3) == 1;
  MutexLock l(task.kernel().task_set_mu());
  if (id & 4) {
    Task* other = pid == 0 ? &task : task.kernel().FindTaskLocked(pid);
    if (other == nullptr || other->pid() != task.pid()) return Errno(EINVAL);
    clock.thread = RefPtr<Task>(other);
    return clock;
  }
  ThreadGroup* group = pid == 0 ? &task.thread_group() : task.kernel().FindThreadGroupLocked(pid);
  if (group == nullptr) return Errno(EINVAL);
  clock.process = RefPtr<ThreadGroup>(group);
  return clock;
}

}  // namespace

void SendTimerSignal(ThreadGroup& group, PosixTimer& timer, uint64_t periods) {
  if ((timer.event.sigev_notify & ~SIGEV_THREAD_ID) != SIGEV_SIGNAL) return;
  siginfo_t info{};
  info.si_signo = timer.event.sigev_signo;
  info.si_code = SI_TIMER;
  info.si_timerid = timer.id;
  info.si_overrun = SaturatedInt(periods - 1);
  info.si_value = timer.event.sigev_value;
  MutexLock l(group.kernel().task_set_mu());
  Task* task = nullptr;
  if (timer.event.sigev_notify & SIGEV_THREAD_ID) {
    task = group.kernel().FindTaskLocked(timer.target_tid);
    if (task == nullptr) return;
  }
  SignalQueue& queue = task != nullptr ? task->pending : group.pending;
  if (siginfo_t* queued = queue.FindTimer(info.si_signo, timer.id)) {
    queued->si_overrun = SaturatedInt(uint64_t(queued->si_overrun) + periods);
    timer.overruns = queued->si_overrun;
    return;
  }
  timer.overruns = info.si_overrun;
  (void)(task != nullptr ? task->SendSignalLocked(info) : SendToGroupLocked(group, info));
}

int64_t GuestClock::Now() const {
  if (process) return GroupCpuNs(*process, user_only);
  if (thread) return static_cast<int64_t>(thread->UserTimeNs() + (user_only ? 0 : thread->SystemTimeNs()));
  return HostNow(id);
}

Deadline GuestClock::MonotonicAt(int64_t target) const {
  const int64_t now = Kernel::MonotonicNs();
  if (id == CLOCK_MONOTONIC && !IsCpu()) return target;
  int64_t left = target - Now();
  if (IsCpu())
    left = std::max(left / static_cast<int64_t>(process ? ThreadsOf(*process) : 1), left > 0 ? kMinCpuPoll : 0);
  return DeadlineAfter(now, std::max<int64_t>(left, 0));
}

Result<GuestClock> ResolveClock(Task& task, clockid_t id) {
  GuestClock clock;
  clock.id = id;
  if (id == CLOCK_PROCESS_CPUTIME_ID) {
    clock.process = RefPtr<ThreadGroup>(&task.thread_group());
  } else if (id == CLOCK_THREAD_CPUTIME_ID) {
    clock.thread = RefPtr<Task>(&task);
  } else if (id < 0) {
    return ResolveCpuClock(task, id);
  } else if (!IsHostClock(id)) {
    return Errno(EINVAL);
  }
  return clock;
}

ClockTimer::ClockTimer(TimerQueue& queue, GuestClock clock, std::function<void(uint64_t)> on_expire)
    : clock_(std::move(clock)), on_expire_(std::move(on_expire)), timer_(queue, [this] { OnTimer(); }) {}

ClockTimer::~ClockTimer() = default;

ClockTimer::Value ClockTimer::Get() {
  const int64_t now = clock_.Now();
  MutexLock l(mu_);
  if (target_ == 0) return {0, 0};
  return {std::max<int64_t>(target_ - now, 1), interval_};
}

ClockTimer::Value ClockTimer::Set(int64_t value_ns, int64_t interval_ns, bool absolute) {
  const Value old = Get();
  const bool armed = value_ns != 0;
  const int64_t target = !armed ? 0 : std::max<int64_t>(absolute ? value_ns : DeadlineAfter(clock_.Now(), value_ns), 1);
  {
    MutexLock l(mu_);
    target_ = target;
    interval_ = interval_ns;
  }
  timer_.Set(armed ? clock_.MonotonicAt(target) : kNever, 0);
  return old;
}

// False: the clock has not reached the target yet (CPU clocks, changed wall clocks).
bool ClockTimer::Expire(uint64_t& periods) {
  const int64_t now = clock_.Now();
  MutexLock l(mu_);
  if (target_ == 0 || now < target_) return false;
  periods = 1;
  if (interval_ <= 0) {
    target_ = 0;
    return true;
  }
  periods += static_cast<uint64_t>((now - target_) / interval_);
  target_ = AfterPeriods(target_, static_cast<int64_t>(periods), interval_);
  return true;
}

void ClockTimer::OnTimer() {
  uint64_t periods = 0;
  const bool expired = Expire(periods);
  int64_t target;
  {
    MutexLock l(mu_);
    target = target_;
  }
  if (target != 0) timer_.Set(clock_.MonotonicAt(target), 0);
  if (expired) on_expire_(periods);
}

void ThreadGroup::Timers::DeletePosixTimers() {
  std::map<int, std::shared_ptr<PosixTimer>> dropped;  // their callbacks may be running: freed after the lock
  MutexLock l(mu);
  dropped.swap(posix);
}

namespace {

// SIGXCPU at the soft limit and every second after, SIGKILL at the hard one.
void EnforceCpuLimit(ThreadGroup& group) {
  const int64_t used = GroupCpuNs(group, false);
  MutexLock l(group.kernel().task_set_mu());
  const uint64_t hard = group.limits[RLIMIT_CPU].rlim_max;
  if (hard != RLIM_INFINITY && static_cast<uint64_t>(used) / kNsPerSecond >= hard) {
    KillGroupLocked(group, SIGKILL);
  } else {
    (void)SendToGroupLocked(group, KernelSignal(SIGXCPU));
  }
}

}  // namespace

void ThreadGroup::Timers::ArmCpuLimit() {
  const uint64_t soft = __atomic_load_n(&group_.limits[RLIMIT_CPU].rlim_cur, __ATOMIC_RELAXED);
  ClockTimer* timer;
  {
    MutexLock l(mu);
    if (!cpu_limit_) {
      if (soft == RLIM_INFINITY) return;
      GuestClock clock;
      clock.process = RefPtr<ThreadGroup>(&group_);
      ThreadGroup* group = &group_;
      cpu_limit_ = std::make_unique<ClockTimer>(group->kernel().timers(), std::move(clock),
                                                [group](uint64_t) { EnforceCpuLimit(*group); });
    }
    timer = cpu_limit_.get();
  }
  const bool limited = soft < uint64_t{1} << 32;
  const int64_t target = limited ? static_cast<int64_t>(std::max<uint64_t>(soft, 1)) * kNsPerSecond : 0;
  timer->Set(target, kNsPerSecond, true);
}

ClockTimer& ThreadGroup::Timers::itimer(int which) {
  constexpr int kItimerSignals[] = {SIGALRM, SIGVTALRM, SIGPROF};
  MutexLock l(mu);
  if (!itimers_[which]) {
    GuestClock clock;
    if (which != ITIMER_REAL) {
      clock.process = RefPtr<ThreadGroup>(&group_);
      clock.user_only = which == ITIMER_VIRTUAL;
    }
    ThreadGroup* group = &group_;  // the timers die before it (Task::LeaveThreadGroup)
    const int signo = kItimerSignals[which];
    itimers_[which] =
        std::make_unique<ClockTimer>(group->kernel().timers(), std::move(clock),
                                     [group, signo](uint64_t) { (void)SendToGroup(*group, KernelSignal(signo)); });
  }
  return *itimers_[which];
}

}  // namespace runsc
