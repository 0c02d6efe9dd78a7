// Threads, futexes, and what ends them: exit, exec, robust locks.

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

long Futex(std::atomic<int>* word, int op, int value, const timespec* timeout = nullptr,
           std::atomic<int>* word2 = nullptr, unsigned value3 = 0) {
  return syscall(SYS_futex, word, op, value, timeout, word2, value3);
}

std::atomic<int>* SharedWords() {
  return (std::atomic<int>*)mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

template <typename F>
pthread_t Start(F* body) {
  pthread_t thread;
  EXPECT_EQ(pthread_create(
                &thread, nullptr,
                [](void* p) -> void* {
                  (*static_cast<F*>(p))();
                  return nullptr;
                },
                body),
            0);
  return thread;
}

}  // namespace

TEST(FutexWaitChecksTheValue) {
  std::atomic<int> word{5};
  EXPECT_ERRNO(Futex(&word, FUTEX_WAIT, 4), EAGAIN);
  EXPECT_ERRNO(Futex(&word, FUTEX_WAIT_PRIVATE, 4), EAGAIN);
  EXPECT_EQ(Futex(&word, FUTEX_WAKE, 1), 0L);
}

TEST(FutexWaitTimesOut) {
  std::atomic<int> word{0};
  timespec wait = {0, 30000000};
  const double start = NowSeconds();
  EXPECT_ERRNO(Futex(&word, FUTEX_WAIT, 0, &wait), ETIMEDOUT);
  EXPECT(NowSeconds() - start >= 0.029);
  timespec absolute;
  clock_gettime(CLOCK_MONOTONIC, &absolute);
  absolute.tv_nsec += 30000000;
  if (absolute.tv_nsec >= 1000000000) absolute.tv_nsec -= 1000000000, ++absolute.tv_sec;
  EXPECT_ERRNO(Futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &absolute, nullptr, ~0u), ETIMEDOUT);
}

TEST(FutexErrors) {
  std::atomic<int> word{0};
  timespec bad = {0, 1000000000};
  EXPECT_ERRNO(Futex(&word, FUTEX_WAIT, 0, &bad), EINVAL);
  EXPECT_ERRNO(Futex((std::atomic<int>*)((char*)&word + 1), FUTEX_WAIT, 0), EINVAL);
  EXPECT_ERRNO(Futex((std::atomic<int>*)8, FUTEX_WAIT, 0), EFAULT);
  EXPECT_ERRNO(Futex(&word, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, 0), EINVAL);
  EXPECT_ERRNO(Futex(&word, 99, 0), ENOSYS);
}

TEST(FutexWakesThreads) {
  std::atomic<int> word{0}, woken{0};
  auto body = [&] {
    while (word == 0) Futex(&word, FUTEX_WAIT_PRIVATE, 0);
    ++woken;
  };
  std::vector<pthread_t> threads;
  for (int i = 0; i < 8; i++) threads.push_back(Start(&body));
  SleepMs(50);
  word = 1;
  EXPECT(Futex(&word, FUTEX_WAKE_PRIVATE, 100) <= 8);
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  EXPECT_EQ(woken.load(), 8);
}

TEST(FutexAcrossProcesses) {
  std::atomic<int>* words = SharedWords();
  const pid_t child = fork();
  if (child == 0) {
    Futex(&words[0], FUTEX_WAIT, 0);
    words[1] = 1;
    Futex(&words[1], FUTEX_WAKE, 1);
    _exit(0);
  }
  EXPECT(Eventually([&] { return Futex(&words[0], FUTEX_WAKE, 1) == 1; }));
  while (words[1] == 0) Futex(&words[1], FUTEX_WAIT, 0);
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(FutexPrivateAfterForkIsSeparate) {
  static std::atomic<int> word{0};
  const pid_t child = fork();
  if (child == 0) {
    timespec wait = {0, 200000000};
    Futex(&word, FUTEX_WAIT, 0, &wait);
    _exit(errno == ETIMEDOUT ? 0 : 1);
  }
  SleepMs(50);
  EXPECT_EQ(Futex(&word, FUTEX_WAKE, 1), 0L);
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(FutexRequeue) {
  std::atomic<int> a{0}, b{0}, woken{0}, waiting{0};
  std::atomic<int> tids[4] = {};
  auto body = [&] {
    tids[waiting++] = gettid();
    Futex(&a, FUTEX_WAIT_PRIVATE, 0);
    ++woken;
  };
  std::vector<pthread_t> threads;
  for (int i = 0; i < 4; i++) threads.push_back(Start(&body));
  for (std::atomic<int>& tid : tids) {
    EXPECT(Eventually([&] { return tid != 0; }));
    EXPECT(FallsAsleep(tid));
  }
  EXPECT_ERRNO(Futex(&a, FUTEX_CMP_REQUEUE_PRIVATE, 1, (timespec*)10, &b, 7), EAGAIN);
  EXPECT_EQ(Futex(&a, FUTEX_CMP_REQUEUE_PRIVATE, 1, (timespec*)10, &b, 0), 4L);
  EXPECT(Eventually([&] { return woken == 1; }));
  EXPECT_EQ(Futex(&a, FUTEX_WAKE_PRIVATE, 10), 0L);
  EXPECT_EQ(Futex(&b, FUTEX_WAKE_PRIVATE, 10), 3L);
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
}

TEST(FutexWakeOp) {
  std::atomic<int> a{0}, b{3};
  const unsigned add_if_equal = FUTEX_OP(FUTEX_OP_ADD, 4, FUTEX_OP_CMP_EQ, 3);
  EXPECT_EQ(Futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, (timespec*)1, &b, add_if_equal), 0L);
  EXPECT_EQ(b.load(), 7);
}

TEST(FutexBitset) {
  std::atomic<int> word{0}, tid{0};
  auto body = [&] {
    tid = gettid();
    Futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, nullptr, nullptr, 2);
  };
  const pthread_t thread = Start(&body);
  EXPECT(Eventually([&] { return tid != 0; }));
  EXPECT(FallsAsleep(tid));
  EXPECT_EQ(Futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 4), 0L);
  EXPECT_EQ(Futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 6), 1L);
  pthread_join(thread, nullptr);
}

TEST(FutexWaitIsInterrupted) {
  static std::atomic<int> word{0};
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, nullptr);
  const pid_t parent = getpid();
  if (fork() == 0) {
    FallsAsleep(parent);
    kill(parent, SIGUSR1);
    _exit(0);
  }
  EXPECT_ERRNO(Futex(&word, FUTEX_WAIT_PRIVATE, 0), EINTR);
}

TEST(MutexContention) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static long total = 0;
  auto body = [] {
    for (int i = 0; i < 20000; i++) {
      pthread_mutex_lock(&mutex);
      ++total;
      pthread_mutex_unlock(&mutex);
    }
  };
  std::vector<pthread_t> threads;
  for (int i = 0; i < 8; i++) threads.push_back(Start(&body));
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  EXPECT_EQ(total, 160000L);
}

TEST(ConditionVariablePingPong) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
  static int turn = 0;
  auto play = [](int me) {
    for (int i = 0; i < 1000; i++) {
      pthread_mutex_lock(&mutex);
      while (turn != me) pthread_cond_wait(&changed, &mutex);
      turn = 1 - me;
      pthread_cond_signal(&changed);
      pthread_mutex_unlock(&mutex);
    }
  };
  auto other = [&] { play(1); };
  const pthread_t thread = Start(&other);
  play(0);
  pthread_join(thread, nullptr);
  EXPECT_EQ(turn, 0);
}

TEST(SharedSemaphoreAndMutex) {
  struct Shared {
    sem_t semaphore;
    pthread_mutex_t mutex;
    long total;
  };
  Shared* shared = (Shared*)SharedWords();
  sem_init(&shared->semaphore, 1, 0);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&shared->mutex, &attributes);
  std::vector<pid_t> children;
  for (int i = 0; i < 4; i++) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    sem_wait(&shared->semaphore);
    for (int k = 0; k < 2000; k++) {
      pthread_mutex_lock(&shared->mutex);
      ++shared->total;
      pthread_mutex_unlock(&shared->mutex);
    }
    _exit(0);
  }
  for (int i = 0; i < 4; i++) sem_post(&shared->semaphore);
  for (pid_t child : children) EXPECT_EQ(WaitStatus(child), 0);
  EXPECT_EQ(shared->total, 8000L);
}

TEST(RobustMutexOfADeadProcess) {
  pthread_mutex_t* mutex = (pthread_mutex_t*)SharedWords();
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(mutex, &attributes);
  const int status = RunInChild([=] {
    pthread_mutex_lock(mutex);
    return raise(SIGKILL);
  });
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_EQ(pthread_mutex_lock(mutex), EOWNERDEAD);
  EXPECT_EQ(pthread_mutex_consistent(mutex), 0);
  EXPECT_EQ(pthread_mutex_unlock(mutex), 0);
}

TEST(RobustMutexOfADeadThread) {
  static pthread_mutex_t mutex;
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &attributes);
  auto body = [] { pthread_mutex_lock(&mutex); };
  pthread_join(Start(&body), nullptr);
  EXPECT_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD);
}

// Words of a list that does not come back to its head are released all the same.
TEST(RobustListsThatGoInCircles) {
  struct Node {
    Node* next;
    unsigned word;
  };
  static Node list[4];
  static robust_list_head head;
  for (int back_to = 0; back_to < 4; back_to++) {  // where the last one leads
    auto body = [back_to] {
      for (int i = 0; i < 4; i++) list[i] = {&list[i < 3 ? i + 1 : back_to], (unsigned)gettid()};
      head.list.next = (robust_list*)list;
      head.futex_offset = offsetof(Node, word);
      head.list_op_pending = nullptr;
      EXPECT_OK(syscall(SYS_set_robust_list, &head, sizeof(head)));
    };
    pthread_join(Start(&body), nullptr);
    for (int i = 0; i < 4; i++) EXPECT_EQ(list[i].word, (unsigned)FUTEX_OWNER_DIED);
  }
}

TEST(ThousandThreads) {
  static pthread_barrier_t barrier;
  static std::atomic<int> done;
  pthread_barrier_init(&barrier, nullptr, 1001);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 65536);
  std::vector<pthread_t> threads;
  for (int i = 0; i < 1000; i++) {
    pthread_t thread;
    const int error = pthread_create(
        &thread, &attributes,
        [](void*) -> void* {
          pthread_barrier_wait(&barrier);
          ++done;
          return nullptr;
        },
        nullptr);
    ASSERT(error == 0);
    threads.push_back(thread);
  }
  pthread_barrier_wait(&barrier);
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  EXPECT_EQ(done.load(), 1000);
}

TEST(ThreadsShareEverything) {
  static int fds[2];
  static pid_t pid_seen, tid_seen;
  auto body = [] {
    EXPECT_OK(pipe(fds));
    EXPECT_OK(chdir("/"));
    pid_seen = getpid();
    tid_seen = gettid();
  };
  pthread_join(Start(&body), nullptr);
  EXPECT_OK(close(fds[0]));
  char buffer[10];
  EXPECT(getcwd(buffer, sizeof(buffer)) != nullptr);
  EXPECT_EQ(std::string(buffer), "/");
  EXPECT_EQ(pid_seen, getpid());
  EXPECT(tid_seen != getpid());
}

TEST(ThreadLocalStorage) {
  static thread_local int local = 5;
  static std::atomic<int> sum;
  auto body = [] { sum += ++local; };
  for (int i = 0; i < 10; i++) pthread_join(Start(&body), nullptr);
  EXPECT_EQ(sum.load(), 60);
  EXPECT_EQ(local, 5);
}

TEST(ExitGroupEndsAllThreads) {
  const int status = RunInChild([] {
    auto body = [] {
      for (;;) pause();
    };
    for (int i = 0; i < 5; i++) Start(&body);
    auto ender = [] {
      SleepMs(20);
      _exit(7);
    };
    pthread_join(Start(&ender), nullptr);
    for (;;) pause();
    return 0;
  });
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(LeaderMayExitFirst) {
  const int status = RunInChild([] {
    auto body = [] {
      SleepMs(100);
      _exit(4);
    };
    Start(&body);
    syscall(SYS_exit, 3);
    return 0;
  });
  EXPECT_EQ(WEXITSTATUS(status), 4);
}

TEST(ExecFromAThread) {
  const int status = RunInChild([] {
    auto waiter = [] {
      for (;;) pause();
    };
    for (int i = 0; i < 5; i++) Start(&waiter);
    auto body = [] {
      char pid[16];
      snprintf(pid, sizeof(pid), "%d", getpid());
      execl(SelfPath(), "x", "--helper", "IsLeader", pid, nullptr);
    };
    Start(&body);
    for (;;) pause();
    return 0;
  });
  EXPECT_EQ(status, 0);
}

HELPER(IsLeader) { return getpid() == atoi(argv[1]) && gettid() == getpid() ? 0 : 1; }

TEST(FailedExecKeepsThreads) {
  static std::atomic<bool> go;
  auto body = [] {
    while (!go) usleep(1000);
  };
  const pthread_t thread = Start(&body);
  EXPECT_ERRNO(execl("/nonexistent", "x", nullptr), ENOENT);
  go = true;
  EXPECT_EQ(pthread_join(thread, nullptr), 0);
}

TEST(ForkFromAThread) {
  auto body = [] { EXPECT_EQ(RunInChild([] { return gettid() == getpid() ? 6 : 1; }), 6 << 8); };
  std::vector<pthread_t> threads;
  for (int i = 0; i < 4; i++) threads.push_back(Start(&body));
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
}

TEST(CancelAndDetach) {
  auto body = [] {
    for (;;) sleep(10);
  };
  const pthread_t thread = Start(&body);
  EXPECT_EQ(pthread_cancel(thread), 0);
  void* result;
  pthread_join(thread, &result);
  EXPECT(result == PTHREAD_CANCELED);
  static std::atomic<bool> ran;
  auto quick = [] { ran = true; };
  pthread_detach(Start(&quick));
  EXPECT(Eventually([] { return ran.load(); }));
}

TEST(Affinity) {
  cpu_set_t set;
  EXPECT_OK(sched_getaffinity(0, sizeof(set), &set));
  EXPECT(CPU_COUNT(&set) >= 1);
  EXPECT_EQ(sysconf(_SC_NPROCESSORS_ONLN) >= 1, true);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &set)) continue;
    cpu_set_t one, now;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    EXPECT_OK(sched_setaffinity(0, sizeof(one), &one));
    EXPECT_OK(sched_getaffinity(0, sizeof(now), &now));
    EXPECT_EQ(CPU_COUNT(&now), 1);
    EXPECT(CPU_ISSET(cpu, &now));
  }
  CPU_ZERO(&set);
  EXPECT_ERRNO(sched_setaffinity(0, sizeof(set), &set), EINVAL);
  EXPECT_ERRNO(sched_getaffinity(1 << 30, sizeof(set), &set), ESRCH);
}

TEST(SignalToANewThread) {
  static std::atomic<int> handled;
  handled = 0;
  struct sigaction action = {};
  action.sa_handler = [](int) { ++handled; };
  sigaction(SIGUSR1, &action, nullptr);
  for (int i = 0; i < 20; i++) {
    static std::atomic<bool> began;
    began = false;
    auto announced = [&] {
      began = true;
      while (handled <= i) {
      }
    };
    const pthread_t thread = Start(&announced);
    if (i % 2) EXPECT(Eventually([] { return began.load(); }));
    EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);
    pthread_join(thread, nullptr);
    EXPECT_EQ(handled.load(), i + 1);
  }
}

// What a thread that was joined leaves behind is its joiner's to use again.
TEST(StacksOfJoinedThreads) {
  const size_t size = 256 << 10;
  for (int i = 0; i < 50; i++) {
    void* const stack = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(stack != MAP_FAILED);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    EXPECT_EQ(pthread_attr_setstack(&attr, stack, size), 0);
    pthread_t thread;
    EXPECT_EQ(pthread_create(
                  &thread, &attr, [](void* p) { return p; }, nullptr),
              0);
    pthread_join(thread, nullptr);
    memset(stack, 0xa5, size);  // nobody may write there any more, or read what was there
    if (i % 2) sched_yield();
    const auto* bytes = static_cast<const unsigned char*>(stack);
    EXPECT(std::all_of(bytes, bytes + size, [](unsigned char c) { return c == 0xa5; }));
    EXPECT_OK(munmap(stack, size));
    pthread_attr_destroy(&attr);
  }
}

TEST(ManyShortThreads) {
  static std::atomic<int> runs;
  auto body = [] { ++runs; };
  for (int i = 0; i < 500; i++) pthread_join(Start(&body), nullptr);
  EXPECT_EQ(runs.load(), 500);
}

TEST(SchedulerCalls) {
  EXPECT_OK(sched_yield());
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
  EXPECT_EQ(sched_get_priority_max(SCHED_FIFO), 99);
  EXPECT_EQ(sched_get_priority_min(SCHED_OTHER), 0);
  sched_param parameter = {};
  EXPECT_OK(sched_getparam(0, &parameter));
  EXPECT_EQ(parameter.sched_priority, 0);
  unsigned cpu = 12345, node = 12345;
  EXPECT_OK(syscall(SYS_getcpu, &cpu, &node, nullptr));
  EXPECT(cpu < 4096);
}
