// Clocks, sleeps, interval timers, POSIX timers, timerfd, signalfd.

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>

#include <atomic>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

std::atomic<int> count;

void CountSignals(int signal) {
  struct sigaction action = {};
  action.sa_handler = [](int) { ++count; };
  EXPECT_OK(sigaction(signal, &action, nullptr));
}

sigset_t Block(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return set;
}

double CpuSeconds() {
  timespec now;
  EXPECT_OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now));
  return now.tv_sec + now.tv_nsec * 1e-9;
}

// Others may have the CPU meanwhile. Gives up after a minute.
void BurnCpu(double seconds) {
  const double end = CpuSeconds() + seconds, patience = NowSeconds() + 60;
  while (CpuSeconds() < end && NowSeconds() < patience) {
  }
}

}  // namespace

TEST(ClocksMoveForward) {
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE,
                          CLOCK_REALTIME_COARSE}) {
    timespec a, b;
    EXPECT_OK(clock_gettime(clock, &a));
    SleepMs(20);
    EXPECT_OK(clock_gettime(clock, &b));
    EXPECT(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec > a.tv_nsec));
    EXPECT_OK(syscall(SYS_clock_gettime, clock, &a));
    EXPECT_OK(clock_getres(clock, &b));
  }
  timespec t;
  EXPECT_ERRNO(clock_gettime(99, &t), EINVAL);
}

TEST(VdsoAgreesWithTheKernel) {
  for (int i = 0; i < 100; i++) {
    timespec before, kernel, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &kernel);
    clock_gettime(CLOCK_MONOTONIC, &after);
    const auto ns = [](const timespec& t) { return t.tv_sec * 1000000000L + t.tv_nsec; };
    EXPECT(ns(before) <= ns(kernel) && ns(kernel) <= ns(after));
  }
  EXPECT(labs(time(nullptr) - syscall(SYS_time, nullptr)) <= 1);
}

TEST(CpuTimeCounts) {
  timespec process, thread;
  tms all;
  rusage usage;
  BurnCpu(0.05);
  EXPECT_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &process));
  EXPECT_OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &thread));
  EXPECT(process.tv_nsec > 10000000 || process.tv_sec > 0);
  EXPECT(thread.tv_nsec > 10000000 || thread.tv_sec > 0);
  EXPECT(times(&all) != -1);
  EXPECT_OK(getrusage(RUSAGE_SELF, &usage));
  EXPECT(usage.ru_utime.tv_sec + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec > 0);
  EXPECT(usage.ru_maxrss > 100);
}

TEST(NanosleepSleepsLongEnough) {
  const double start = NowSeconds();
  timespec request = {0, 30000000};
  EXPECT_OK(nanosleep(&request, nullptr));
  EXPECT(NowSeconds() - start >= 0.03);
  request.tv_nsec = 1000000000;
  EXPECT_ERRNO(nanosleep(&request, nullptr), EINVAL);
  request = {-1, 0};
  EXPECT_ERRNO(nanosleep(&request, nullptr), EINVAL);
  EXPECT_ERRNO(syscall(SYS_nanosleep, 8, nullptr), EFAULT);
}

TEST(AbsoluteSleep) {
  timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr), 0);
  until.tv_nsec += 30000000;
  if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, ++until.tv_sec;
  EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr), 0);
  EXPECT_EQ(clock_nanosleep(77, 0, &until, nullptr), EINVAL);
}

TEST(IntervalTimer) {
  CountSignals(SIGALRM);
  itimerval timer = {.it_interval = {0, 10000}, .it_value = {0, 10000}}, old;
  EXPECT_OK(setitimer(ITIMER_REAL, &timer, nullptr));
  EXPECT(Eventually([] { return count >= 5; }));
  timer = {};
  EXPECT_OK(setitimer(ITIMER_REAL, &timer, &old));
  EXPECT_EQ(old.it_interval.tv_usec, 10000);
  const int now = count;
  SleepMs(50);
  EXPECT(count <= now + 1);
}

TEST(Alarm) {
  CountSignals(SIGALRM);
  EXPECT_EQ(alarm(100) > 0, true);  // the harness's own
  EXPECT(alarm(1) > 98);
  pause();
  EXPECT_EQ(count.load(), 1);
}

TEST(VirtualTimerCountsCpuTime) {
  CountSignals(SIGVTALRM);
  itimerval timer = {.it_interval = {}, .it_value = {0, 30000}};
  EXPECT_OK(setitimer(ITIMER_VIRTUAL, &timer, nullptr));
  SleepMs(60);
  EXPECT_EQ(count.load(), 0);
  for (const double end = NowSeconds() + 5; count == 0 && NowSeconds() < end;) {
  }
  EXPECT_EQ(count.load(), 1);
}

TEST(PosixTimer) {
  Block(SIGRTMIN);
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN;
  event.sigev_value.sival_int = 42;
  timer_t timer;
  ASSERT_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
  itimerspec when = {.it_interval = {0, 5000000}, .it_value = {0, 5000000}};
  EXPECT_OK(timer_settime(timer, 0, &when, nullptr));
  SleepMs(60);
  siginfo_t info;
  sigset_t set = Block(SIGRTMIN);
  timespec second = {1, 0};
  EXPECT_EQ(sigtimedwait(&set, &info, &second), SIGRTMIN);
  EXPECT_EQ(info.si_code, SI_TIMER);
  EXPECT_EQ(info.si_value.sival_int, 42);
  EXPECT(info.si_overrun >= 1);
  EXPECT_OK(timer_gettime(timer, &when));
  EXPECT_EQ(when.it_interval.tv_nsec, 5000000);
  EXPECT_OK(timer_delete(timer));
  EXPECT_ERRNO(syscall(SYS_timer_delete, 12345), EINVAL);
}

TEST(TimerfdOneShot) {
  const int fd = ASSERT_OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
  itimerspec when = {.it_interval = {}, .it_value = {0, 30000000}};
  uint64_t expirations = 0;
  EXPECT_ERRNO(read(fd, &expirations, 8), EAGAIN);
  EXPECT_OK(timerfd_settime(fd, 0, &when, nullptr));
  pollfd poller = {fd, POLLIN, 0};
  EXPECT_EQ(poll(&poller, 1, 5000), 1);
  EXPECT_EQ(read(fd, &expirations, 8), 8);
  EXPECT_EQ(expirations, 1u);
  EXPECT_ERRNO(read(fd, &expirations, 8), EAGAIN);
  EXPECT_ERRNO(read(fd, &expirations, 4), EINVAL);
}

TEST(TimerfdPeriodic) {
  const int fd = ASSERT_OK(timerfd_create(CLOCK_MONOTONIC, 0));
  itimerspec when = {.it_interval = {0, 10000000}, .it_value = {0, 1}}, now;
  EXPECT_OK(timerfd_settime(fd, 0, &when, nullptr));
  SleepMs(55);
  uint64_t expirations = 0;
  EXPECT_EQ(read(fd, &expirations, 8), 8);
  EXPECT(expirations >= 5);
  EXPECT_EQ(read(fd, &expirations, 8), 8);
  EXPECT_OK(timerfd_gettime(fd, &now));
  EXPECT_EQ(now.it_interval.tv_nsec, 10000000);
  when = {};
  EXPECT_OK(timerfd_settime(fd, 0, &when, nullptr));
  pollfd poller = {fd, POLLIN, 0};
  EXPECT_EQ(poll(&poller, 1, 30), 0);
}

TEST(TimerfdAbsolute) {
  const int fd = ASSERT_OK(timerfd_create(CLOCK_REALTIME, 0));
  itimerspec when = {};
  clock_gettime(CLOCK_REALTIME, &when.it_value);
  when.it_value.tv_sec -= 5;
  EXPECT_OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, nullptr));
  uint64_t expirations = 0;
  EXPECT_EQ(read(fd, &expirations, 8), 8);
  EXPECT_EQ(expirations, 1u);
  EXPECT_ERRNO(timerfd_create(99, 0), EINVAL);
  when.it_value.tv_nsec = -1;
  EXPECT_ERRNO(timerfd_settime(fd, 0, &when, nullptr), EINVAL);
}

TEST(SignalfdReads) {
  sigset_t set = Block(SIGUSR1);
  const int fd = ASSERT_OK(signalfd(-1, &set, SFD_NONBLOCK));
  signalfd_siginfo info[2];
  EXPECT_ERRNO(read(fd, info, sizeof(info)), EAGAIN);
  kill(getpid(), SIGUSR1);
  pollfd poller = {fd, POLLIN, 0};
  EXPECT_EQ(poll(&poller, 1, 30'000), 1);
  EXPECT_EQ(read(fd, info, sizeof(info)), (ssize_t)sizeof(info[0]));
  EXPECT_EQ(info[0].ssi_signo, (uint32_t)SIGUSR1);
  EXPECT_EQ(info[0].ssi_pid, (uint32_t)getpid());
  EXPECT_ERRNO(read(fd, info, 10), EINVAL);
  EXPECT_EQ(poll(&poller, 1, 0), 0);
}

TEST(SignalfdWaits) {
  sigset_t set = Block(SIGCHLD);
  const int fd = ASSERT_OK(signalfd(-1, &set, SFD_CLOEXEC));
  const pid_t child = fork();
  if (child == 0) {
    SleepMs(30);
    _exit(5);
  }
  signalfd_siginfo info;
  EXPECT_EQ(read(fd, &info, sizeof(info)), (ssize_t)sizeof(info));
  EXPECT_EQ(info.ssi_pid, (uint32_t)child);
  EXPECT_EQ(info.ssi_status, 5);
}

TEST(ClockOfAnotherProcess) {
  clockid_t clock;
  EXPECT_EQ(clock_getcpuclockid(getpid(), &clock), 0);
  timespec t;
  EXPECT_OK(clock_gettime(clock, &t));
}

// Hosts without a real-time clock chip do not have the alarm clocks: then there is no value, not any value.
TEST(EveryClockIsThereOrNot) {
  constexpr long kSane = 5L << 30;  // seconds: until 2140
  for (clockid_t id = CLOCK_REALTIME; id <= CLOCK_TAI; ++id) {
    timespec now = {-1, -1}, step = {-1, -1};
    errno = 0;
    const int read = clock_gettime(id, &now);
    EXPECT(read == 0 || (errno == EINVAL && now.tv_sec == -1));
    EXPECT(read != 0 || (now.tv_sec >= 0 && now.tv_sec < kSane && now.tv_nsec >= 0 && now.tv_nsec < 1000000000));
    EXPECT((clock_getres(id, &step) == 0) == (read == 0));
    EXPECT(read != 0 || (step.tv_sec == 0 && step.tv_nsec > 0));
  }
}

TEST(SettingTheClockIsRefused) {
  timespec t = {1000000000, 0};
  const int status = RunInChild([&] {
    if (setuid(1000) != 0) return 9;
    EXPECT_ERRNO(clock_settime(CLOCK_REALTIME, &t), EPERM);
    return (int)Failed();
  });
  EXPECT_EQ(status, 0);
  if (InSandbox()) EXPECT_ERRNO(clock_settime(CLOCK_REALTIME, &t), EPERM);
}

namespace {

void GiveUpSettingClocks() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  EXPECT_OK(syscall(SYS_capget, &header, data));
  data[0].effective &= ~(1u << CAP_SYS_TIME);
  EXPECT_OK(syscall(SYS_capset, &header, data));
}

}  // namespace

TEST(SettingTheTimeTakesACapability) {
  GiveUpSettingClocks();
  timeval now;
  EXPECT_OK(gettimeofday(&now, nullptr));
  EXPECT_ERRNO(syscall(SYS_settimeofday, &now, nullptr), EPERM);
  const timespec time = {now.tv_sec, 0};
  EXPECT_ERRNO(clock_settime(CLOCK_REALTIME, &time), EPERM);
}

TEST(SettingTheTimeChecksItFirst) {
  GiveUpSettingClocks();
  const timeval late = {1, 1000000}, early = {1, -1};
  EXPECT_ERRNO(syscall(SYS_settimeofday, &late, nullptr), EINVAL);
  EXPECT_ERRNO(syscall(SYS_settimeofday, &early, nullptr), EINVAL);
  EXPECT_ERRNO(syscall(SYS_settimeofday, 8, nullptr), EFAULT);
  EXPECT_ERRNO(syscall(SYS_settimeofday, nullptr, 8), EFAULT);
  const timespec late_ns = {1, 1000000000};
  EXPECT_ERRNO(syscall(SYS_clock_settime, CLOCK_REALTIME, &late_ns), EINVAL);
  EXPECT_ERRNO(syscall(SYS_clock_settime, CLOCK_REALTIME, 8), EFAULT);
  EXPECT_ERRNO(syscall(SYS_clock_settime, CLOCK_MONOTONIC, 8), EINVAL);
}

TEST(AdjustingTheClockTakesACapability) {
  GiveUpSettingClocks();
  timex t = {};
  t.modes = ADJ_FREQUENCY;
  EXPECT_ERRNO(adjtimex(&t), EPERM);
  t.modes = 0x8000;  // adjtime(3) without saying how
  EXPECT_ERRNO(adjtimex(&t), EINVAL);
  t.modes = ADJ_OFFSET_SINGLESHOT;
  EXPECT_ERRNO(adjtimex(&t), EPERM);
  t.modes = ADJ_OFFSET_SS_READ;
  EXPECT(adjtimex(&t) >= 0);
  timeval left;
  EXPECT_OK(adjtime(nullptr, &left));
}
