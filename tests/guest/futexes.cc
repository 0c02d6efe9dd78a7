// Futexes beyond wait and wake: locks with an owner, waiting for several, barriers; scheduling requests.

#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

long Futex(uint32_t* word, int op, uint32_t value = 0, const timespec* timeout = nullptr) {
  return syscall(SYS_futex, word, op, value, timeout, nullptr, 0);
}

timespec In(int milliseconds, clockid_t clock = CLOCK_REALTIME) {
  timespec t;
  clock_gettime(clock, &t);
  t.tv_nsec += milliseconds * 1000000L;
  t.tv_sec += t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  return t;
}

uint32_t Tid() { return (uint32_t)syscall(SYS_gettid); }

}  // namespace

TEST(PiLockHoldsTheOwner) {
  uint32_t word = 0;
  EXPECT_OK(Futex(&word, FUTEX_LOCK_PI));
  EXPECT_EQ(word, Tid());
  EXPECT_ERRNO(Futex(&word, FUTEX_LOCK_PI), EDEADLK);
  EXPECT_OK(Futex(&word, FUTEX_UNLOCK_PI));
  EXPECT_EQ(word, 0u);
  EXPECT_ERRNO(Futex(&word, FUTEX_UNLOCK_PI), EPERM);
  EXPECT_OK(Futex(&word, FUTEX_TRYLOCK_PI));
  EXPECT_EQ(word, Tid());
  EXPECT_ERRNO(Futex((uint32_t*)((char*)&word + 1), FUTEX_LOCK_PI), EINVAL);
  EXPECT_ERRNO(Futex((uint32_t*)16, FUTEX_LOCK_PI), EFAULT);
}

TEST(PiLockTimesOut) {
  uint32_t word = 0;
  EXPECT_OK(Futex(&word, FUTEX_LOCK_PI));
  std::thread([&] {
    EXPECT_ERRNO(Futex(&word, FUTEX_TRYLOCK_PI), EAGAIN);
    const timespec soon = In(50);
    const double start = NowSeconds();
    EXPECT_ERRNO(Futex(&word, FUTEX_LOCK_PI, 0, &soon), ETIMEDOUT);
    EXPECT(NowSeconds() - start >= 0.04);
    EXPECT_ERRNO(Futex(&word, FUTEX_UNLOCK_PI), EPERM);
  }).join();
  EXPECT_OK(Futex(&word, FUTEX_UNLOCK_PI));
}

TEST(PiMutexExcludes) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  EXPECT_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
  pthread_mutex_t mutex;
  ASSERT(pthread_mutex_init(&mutex, &attributes) == 0);
  long counter = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] {
      for (int k = 0; k < 2000; k++) {
        pthread_mutex_lock(&mutex);
        const long seen = counter;
        if (k % 64 == 0) sched_yield();
        counter = seen + 1;
        pthread_mutex_unlock(&mutex);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(counter, 8000);
}

TEST(PiMutexOfADeadOwner) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t mutex;
  ASSERT(pthread_mutex_init(&mutex, &attributes) == 0);
  std::thread([&] { pthread_mutex_lock(&mutex); }).join();
  EXPECT_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD);
  EXPECT_EQ(pthread_mutex_consistent(&mutex), 0);
  EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
  EXPECT_EQ(pthread_mutex_lock(&mutex), 0);
}

TEST(SignalsDoNotShowInPiLocks) {
  static std::atomic<int> handled;
  struct sigaction action = {};
  action.sa_handler = [](int) { handled++; };  // without SA_RESTART
  sigaction(SIGUSR1, &action, nullptr);
  uint32_t word = 0;
  EXPECT_OK(Futex(&word, FUTEX_LOCK_PI));
  std::atomic<bool> locked = false;
  pthread_t locker;
  pthread_create(
      &locker, nullptr,
      [](void* data) -> void* {
        EXPECT_OK(Futex((uint32_t*)data, FUTEX_LOCK_PI));
        EXPECT_OK(Futex((uint32_t*)data, FUTEX_UNLOCK_PI));
        return nullptr;
      },
      &word);
  EXPECT(Eventually([&] { return (word & FUTEX_WAITERS) != 0; }));
  SleepMs(20);
  pthread_kill(locker, SIGUSR1);
  EXPECT(Eventually([] { return handled == 1; }));
  SleepMs(20);
  EXPECT_OK(Futex(&word, FUTEX_UNLOCK_PI));
  pthread_join(locker, nullptr);
  (void)locked;
}

TEST(WaitForSeveral) {
  uint32_t words[3] = {1, 2, 3};
  struct futex_waitv waiters[3] = {};
  for (int i = 0; i < 3; i++) {
    waiters[i].uaddr = (uint64_t)&words[i];
    waiters[i].val = words[i];
    waiters[i].flags = FUTEX_32 | FUTEX_PRIVATE_FLAG;
  }
  timespec soon = In(30, CLOCK_MONOTONIC);
  const long first = syscall(SYS_futex_waitv, waiters, 3, 0, &soon, CLOCK_MONOTONIC);
  if (first == -1 && errno == ENOSYS) Skip("an older kernel");
  EXPECT_ERRNO(first, ETIMEDOUT);
  waiters[1].val = 7;
  EXPECT_ERRNO(syscall(SYS_futex_waitv, waiters, 3, 0, nullptr, 0), EAGAIN);
  waiters[1].val = 2;
  EXPECT_ERRNO(syscall(SYS_futex_waitv, waiters, 0, 0, nullptr, 0), EINVAL);
  EXPECT_ERRNO(syscall(SYS_futex_waitv, nullptr, 3, 0, nullptr, 0), EINVAL);
  std::thread waker([&] { EXPECT(Eventually([&] { return Futex(&words[2], FUTEX_WAKE_PRIVATE, 1) == 1; })); });
  EXPECT_EQ(syscall(SYS_futex_waitv, waiters, 3, 0, nullptr, 0), 2);
  waker.join();
}

TEST(Membarrier) {
  const long offered = EXPECT_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0));
  EXPECT(offered & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  EXPECT_ERRNO(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 77, 0), EINVAL);
  EXPECT_ERRNO(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
  EXPECT_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
  EXPECT_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
  EXPECT_ERRNO(syscall(SYS_membarrier, 12345, 0, 0), EINVAL);
}

TEST(AffinityBinds) {
  cpu_set_t all;
  EXPECT_OK(sched_getaffinity(0, sizeof(all), &all));
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    EXPECT_OK(sched_setaffinity(0, sizeof(one), &one));
    cpu_set_t now;
    EXPECT_OK(sched_getaffinity(0, sizeof(now), &now));
    EXPECT(CPU_EQUAL(&one, &now));
    for (int i = 0; i < 20; i++) {
      EXPECT_EQ(sched_getcpu(), cpu);
      sched_yield();
      getppid();
      SleepMs(1);
    }
    std::thread([&] {
      EXPECT_OK(sched_getaffinity(0, sizeof(now), &now));
      EXPECT(CPU_EQUAL(&one, &now));
      EXPECT_EQ(sched_getcpu(), cpu);
    }).join();
    EXPECT_EQ(RunInChild([=] { return sched_getcpu() == cpu ? 0 : 1; }), 0);
  }
  EXPECT_OK(sched_setaffinity(0, sizeof(all), &all));
  cpu_set_t none;
  CPU_ZERO(&none);
  EXPECT_ERRNO(sched_setaffinity(0, sizeof(none), &none), EINVAL);
}

TEST(NiceIsPerThreadAndInherited) {
  errno = 0;
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 0);
  EXPECT_OK(setpriority(PRIO_PROCESS, 0, 5));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 5);
  std::thread([] { EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 5); }).join();
  EXPECT_EQ(RunInChild([] { return getpriority(PRIO_PROCESS, 0) == 5 ? 0 : 1; }), 0);
  EXPECT_OK(setpriority(PRIO_PROCESS, 0, 100));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 19);
}

TEST(NiceOfOneThread) {
  std::thread([] {
    EXPECT_OK(setpriority(PRIO_PROCESS, gettid(), 7));
    EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 7);
    EXPECT_EQ(getpriority(PRIO_PROCESS, getpid()), 0);
    EXPECT_OK(setpgid(0, 0));
    EXPECT_EQ(getpriority(PRIO_PGRP, 0), 0);  // the best of all
    EXPECT_OK(setpriority(PRIO_PGRP, 0, 9));
    EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 9);
  }).join();
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 9);
  EXPECT_ERRNO(getpriority(PRIO_PROCESS, -1), ESRCH);
}

constexpr int kWhoProcess = 1, kWhoGroup = 2, kWhoUser = 3;
long IoprioSet(int which, int who, int priority) { return syscall(SYS_ioprio_set, which, who, priority); }
long IoprioGet(int which, int who) { return syscall(SYS_ioprio_get, which, who); }
int IoPriority(int io_class, int level) { return io_class << 13 | level; }

TEST(IoPriorityIsKept) {
  EXPECT_OK(setpgid(0, 0));
  EXPECT_EQ(IoprioGet(kWhoProcess, 0), 0);
  EXPECT_EQ(IoprioGet(kWhoGroup, 0), IoPriority(2, 4));  // what nice 0 means
  EXPECT_OK(setpriority(PRIO_PROCESS, 0, 19));
  EXPECT_EQ(IoprioGet(kWhoGroup, 0), IoPriority(2, 7));
  EXPECT_OK(IoprioSet(kWhoProcess, 0, IoPriority(2, 3)));
  EXPECT_EQ(IoprioGet(kWhoProcess, gettid()), IoPriority(2, 3));
  EXPECT_EQ(RunInChild([] { return IoprioGet(kWhoProcess, 0) == IoPriority(2, 3) ? 0 : 1; }), 0);
  EXPECT_OK(IoprioSet(kWhoProcess, 0, IoPriority(3, 7)));
  EXPECT_EQ(IoprioGet(kWhoProcess, 0), IoPriority(3, 7));
  EXPECT_OK(IoprioSet(kWhoGroup, 0, 0));
  EXPECT_EQ(IoprioGet(kWhoProcess, 0), 0);
}

TEST(IoPriorityErrors) {
  EXPECT_ERRNO(IoprioSet(kWhoProcess, 0, 1), EINVAL);  // no class, but a level
  EXPECT_ERRNO(IoprioSet(kWhoProcess, 0, IoPriority(4, 0)), EINVAL);
  EXPECT_ERRNO(IoprioSet(9, 0, IoPriority(2, 0)), EINVAL);
  EXPECT_ERRNO(IoprioGet(0, 0), EINVAL);
  EXPECT_ERRNO(IoprioGet(kWhoProcess, -1), ESRCH);
  EXPECT_ERRNO(IoprioSet(kWhoUser, 12345, 0), ESRCH);
  if (geteuid() != 0) Skip("needs root");
  EXPECT_EQ(RunInChild([] {
              const int parent = getppid();
              if (setresuid(1000, 1000, 1000) != 0) return 1;
              if (IoprioSet(kWhoProcess, 0, IoPriority(1, 4)) != -1 || errno != EPERM) return 2;
              if (IoprioSet(kWhoProcess, 0, IoPriority(3, 0)) != 0) return 3;
              return IoprioSet(kWhoProcess, parent, IoPriority(3, 0)) == -1 && errno == EPERM ? 0 : 4;
            }),
            0);
}

// The nice thread gets much less of one CPU that two compete for.
TEST(NiceCounts) {
  cpu_set_t all, one;
  EXPECT_OK(sched_getaffinity(0, sizeof(all), &all));
  int cpu = 0;
  while (!CPU_ISSET(cpu, &all)) cpu++;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  EXPECT_OK(sched_setaffinity(0, sizeof(one), &one));
  auto* counts = (std::atomic<uint64_t>*)mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t children[2];
  for (int i = 0; i < 2; i++) {
    if ((children[i] = fork()) == 0) {
      if (i == 1) setpriority(PRIO_PROCESS, 0, 19);
      for (;;) counts[i]++;
    }
  }
  SleepMs(1500);
  for (pid_t child : children) kill(child, SIGKILL), WaitStatus(child);
  EXPECT(counts[0] > 4 * counts[1]);
}

TEST(BatchAndIdlePolicies) {
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
  sched_param param = {};
  EXPECT_OK(sched_setscheduler(0, SCHED_BATCH, &param));
  EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
  EXPECT_EQ(RunInChild([] { return sched_getscheduler(0) == SCHED_BATCH ? 0 : 1; }), 0);
  EXPECT_OK(sched_setscheduler(0, SCHED_IDLE, &param));
  EXPECT_EQ(sched_getscheduler(0), SCHED_IDLE);
  param.sched_priority = 1;
  EXPECT_ERRNO(sched_setscheduler(0, SCHED_OTHER, &param), EINVAL);
  EXPECT_ERRNO(sched_setscheduler(0, 99, &param), EINVAL);
  EXPECT_ERRNO(sched_setscheduler(0, SCHED_FIFO, nullptr), EINVAL);
}

TEST(CpuClocksCountWhatRuns) {
  auto now = [](clockid_t clock) {
    timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
  };
  const double process = now(CLOCK_PROCESS_CPUTIME_ID), thread = now(CLOCK_THREAD_CPUTIME_ID);
  volatile unsigned long spin = 0;
  for (int i = 0; i < 100; i++) {
    for (int k = 0; k < 1000000; k++) spin = spin + 1;
    if (now(CLOCK_THREAD_CPUTIME_ID) - thread > 0.1) break;
  }
  const double used = now(CLOCK_THREAD_CPUTIME_ID) - thread;
  EXPECT(used > 0.02);
  EXPECT(now(CLOCK_PROCESS_CPUTIME_ID) - process >= used * 0.9);
  rusage usage;
  EXPECT_OK(getrusage(RUSAGE_SELF, &usage));
  EXPECT((double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 > used * 0.5);
  const double before = now(CLOCK_THREAD_CPUTIME_ID);
  SleepMs(100);
  EXPECT(now(CLOCK_THREAD_CPUTIME_ID) - before < 0.05);
  std::thread([&] {
    EXPECT(now(CLOCK_THREAD_CPUTIME_ID) < 0.05);
    for (int k = 0; k < 20000000; k++) spin = spin + 1;
  }).join();
  EXPECT(now(CLOCK_PROCESS_CPUTIME_ID) - process > now(CLOCK_THREAD_CPUTIME_ID) - thread);
}
