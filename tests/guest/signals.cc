// Signal handlers, masks, queues, stacks, restarts.

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#include <atomic>
#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

std::atomic<int> count;
siginfo_t last;
std::vector<int>* order;

void Count(int) { ++count; }
void Record(int, siginfo_t* info, void*) {
  ++count;
  last = *info;
}
void Order(int signal, siginfo_t* info, void*) {
  order->push_back(signal * 1000 + (info->si_code == SI_QUEUE ? info->si_value.sival_int : 0));
}

void Install(int signal, void (*handler)(int), int flags = 0) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  EXPECT_OK(sigaction(signal, &action, nullptr));
}

void InstallInfo(int signal, void (*handler)(int, siginfo_t*, void*), int flags = 0) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = flags | SA_SIGINFO;
  EXPECT_OK(sigaction(signal, &action, nullptr));
}

sigset_t Set(std::vector<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  return set;
}

// Once this process sleeps, and then does `next`.
void SignalSleepingParent(
    int signal, const std::function<void()>& next = [] {}) {
  const pid_t parent = getpid();
  if (fork() == 0) {
    FallsAsleep(parent);
    kill(parent, signal);
    next();
    _exit(0);
  }
}

}  // namespace

// A futex wake that a signal interrupts before it began is made after the handler. A filter of one's own keeps the
// calls from being answered close by.
std::atomic<int> whose_turn{0};

void InterruptMeOften() {
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGUSR1;
  event._sigev_un._tid = gettid();
  timer_t timer;
  const itimerspec often{{0, 200000}, {0, 200000}};
  EXPECT_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
  EXPECT_OK(timer_settime(timer, 0, &often, nullptr));
}

void* TakeTurns(void* side) {
  const int me = side != nullptr;
  InterruptMeOften();
  for (int i = 0; i < 5000; ++i) {
    while (whose_turn != me) syscall(SYS_futex, &whose_turn, FUTEX_WAIT_PRIVATE, 1 - me, nullptr, nullptr, 0);
    whose_turn = 1 - me;
    const long woken = syscall(SYS_futex, &whose_turn, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    if (woken != 0 && woken != 1) EXPECT_EQ(woken, 1);
  }
  return nullptr;
}

TEST(InterruptedWakesAreMade) {
  EXPECT_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_fprog program{1, &allow};
  EXPECT_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  EXPECT_OK(sigaction(SIGUSR1, &action, nullptr));
  pthread_t sides[2];
  for (long i = 0; i < 2; ++i) ASSERT(pthread_create(&sides[i], nullptr, TakeTurns, (void*)i) == 0);
  for (const pthread_t side : sides) pthread_join(side, nullptr);
}

// Calls that never wait are not interrupted, however often signals come.
TEST(MemoryCallsAreNotInterrupted) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  EXPECT_OK(sigaction(SIGALRM, &action, nullptr));
  const itimerval often{{0, 300}, {0, 300}};
  EXPECT_OK(setitimer(ITIMER_REAL, &often, nullptr));
  constexpr size_t kSize = 1 << 20;
  for (int i = 0; i < 20000; ++i) {
    void* memory = mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT(memory != MAP_FAILED);
    ASSERT(mprotect(memory, kSize / 2, PROT_READ | PROT_WRITE) == 0);
    ASSERT(madvise(memory, kSize / 2, MADV_DONTNEED) == 0);
    ASSERT(munmap(memory, kSize) == 0);
  }
}

TEST(HandlerRuns) {
  Install(SIGUSR1, Count);
  raise(SIGUSR1);
  kill(getpid(), SIGUSR1);
  EXPECT_EQ((int)count, 2);
}

TEST(SiginfoOfKill) {
  InstallInfo(SIGUSR1, Record);
  kill(getpid(), SIGUSR1);
  EXPECT_EQ(last.si_signo, SIGUSR1);
  EXPECT_EQ(last.si_code, SI_USER);
  EXPECT_EQ(last.si_pid, getpid());
  EXPECT_EQ(last.si_uid, getuid());
  raise(SIGUSR1);
  EXPECT_EQ(last.si_code, SI_TKILL);
}

TEST(SiginfoOfQueue) {
  InstallInfo(SIGUSR2, Record);
  EXPECT_OK(sigqueue(getpid(), SIGUSR2, sigval{.sival_int = 77}));
  EXPECT_EQ(last.si_code, SI_QUEUE);
  EXPECT_EQ(last.si_value.sival_int, 77);
}

TEST(SiginfoOfChild) {
  InstallInfo(SIGCHLD, Record);
  EXPECT_EQ(WEXITSTATUS(RunInChild([] { return 9; })), 9);
  EXPECT(Eventually([] { return count == 1; }));
  EXPECT_EQ(last.si_code, CLD_EXITED);
  EXPECT_EQ(last.si_status, 9);
  RunInChild([] { return raise(SIGKILL); });
  EXPECT(Eventually([] { return count == 2; }));
  EXPECT_EQ(last.si_code, CLD_KILLED);
  EXPECT_EQ(last.si_status, SIGKILL);
}

TEST(BlockedSignalsStayPending) {
  Install(SIGUSR1, Count);
  sigset_t set = Set({SIGUSR1}), old, pending;
  EXPECT_OK(sigprocmask(SIG_BLOCK, &set, &old));
  raise(SIGUSR1);
  raise(SIGUSR1);
  EXPECT_EQ((int)count, 0);
  EXPECT_OK(sigpending(&pending));
  EXPECT_EQ(sigismember(&pending, SIGUSR1), 1);
  EXPECT_OK(sigprocmask(SIG_SETMASK, &old, nullptr));
  EXPECT_EQ((int)count, 1);  // standard signals do not queue
}

TEST(RealTimeSignalsQueueInOrder) {
  order = new std::vector<int>;
  const int a = SIGRTMIN, b = SIGRTMIN + 3;
  for (int signal : {a, b, SIGUSR1}) InstallInfo(signal, Order);
  sigset_t all, old;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &old);
  for (int i = 0; i < 3; i++) {
    sigqueue(getpid(), b, sigval{.sival_int = i});
    sigqueue(getpid(), a, sigval{.sival_int = i});
  }
  raise(SIGUSR1);
  sigprocmask(SIG_SETMASK, &old, nullptr);
  // Frames are stacked, so the highest number runs first; each is blocked by its own handler, so
  // that its queue empties in order before the handler below it goes on.
  const std::vector<int> want = {b * 1000,     b * 1000 + 1, b * 1000 + 2,  a * 1000,
                                 a * 1000 + 1, a * 1000 + 2, SIGUSR1 * 1000};
  EXPECT(*order == want);
}

TEST(HandlerMaskHoldsDuringHandler) {
  static volatile bool nested, blocked;
  struct sigaction action = {};
  action.sa_mask = Set({SIGUSR2});
  action.sa_handler = [](int) {
    sigset_t now;
    sigprocmask(SIG_BLOCK, nullptr, &now);
    blocked = sigismember(&now, SIGUSR1) == 1 && sigismember(&now, SIGUSR2) == 1;
    raise(SIGUSR2);
    nested = count != 0;
  };
  sigaction(SIGUSR1, &action, nullptr);
  Install(SIGUSR2, Count);
  raise(SIGUSR1);
  EXPECT(blocked);
  EXPECT(!nested);
  EXPECT_EQ((int)count, 1);
}

TEST(NodeferAllowsNesting) {
  static std::atomic<int> depth, deepest;
  struct sigaction action = {};
  action.sa_flags = SA_NODEFER;
  action.sa_handler = [](int) {
    if (++depth > deepest) deepest = depth.load();
    if (depth < 3) raise(SIGUSR1);
    --depth;
  };
  sigaction(SIGUSR1, &action, nullptr);
  raise(SIGUSR1);
  EXPECT_EQ((int)deepest, 3);
}

TEST(ResethandRestoresTheDefault) {
  Install(SIGUSR1, Count, SA_RESETHAND);
  raise(SIGUSR1);
  struct sigaction now;
  sigaction(SIGUSR1, nullptr, &now);
  EXPECT(now.sa_handler == SIG_DFL);
  EXPECT_EQ((int)count, 1);
}

TEST(AlternateStack) {
  static char stack[65536];
  static volatile bool on_stack;
  static stack_t seen;
  stack_t alternate = {.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof(stack)};
  EXPECT_OK(sigaltstack(&alternate, nullptr));
  Install(
      SIGUSR1,
      [](int) {
        char local;
        on_stack = &local >= stack && &local < stack + sizeof(stack);
        sigaltstack(nullptr, &seen);
      },
      SA_ONSTACK);
  raise(SIGUSR1);
  EXPECT(on_stack);
  EXPECT_EQ(seen.ss_flags & SS_ONSTACK, SS_ONSTACK);
  sigaltstack(nullptr, &seen);
  EXPECT_EQ(seen.ss_flags, 0);
  stack_t tiny = {.ss_sp = stack, .ss_flags = 0, .ss_size = 100};
  EXPECT_ERRNO(sigaltstack(&tiny, nullptr), ENOMEM);
}

TEST(StackOverflowOnAlternateStack) {
  static char stack[65536];
  static sigjmp_buf jump;
  stack_t alternate = {.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof(stack)};
  sigaltstack(&alternate, nullptr);
  Install(
      SIGSEGV, [](int) { siglongjmp(jump, 1); }, SA_ONSTACK);
  struct Recursion {
    static int Deep(volatile char* p, int depth) {
      volatile char frame[4096];
      frame[0] = *p;
      return depth == 0 ? 0 : Deep(frame, depth - 1) + frame[0];
    }
  };
  for (int i = 0; i < 2; i++) {
    if (sigsetjmp(jump, 1) == 0) {
      char c = 0;
      Recursion::Deep(&c, 1 << 20);
      EXPECT(false);
    }
    ++count;
  }
  EXPECT_EQ((int)count, 2);
}

TEST(SegvSiginfo) {
  static sigjmp_buf jump;
  InstallInfo(SIGSEGV, [](int, siginfo_t* info, void*) {
    last = *info;
    siglongjmp(jump, 1);
  });
  if (sigsetjmp(jump, 1) == 0) *(volatile int*)0x1234 = 1;
  EXPECT_EQ(last.si_code, SEGV_MAPERR);
  EXPECT(last.si_addr == (void*)0x1234);
  char* page = (char*)mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (sigsetjmp(jump, 1) == 0) *(volatile char*)(page + 5) = 1;
  EXPECT_EQ(last.si_code, SEGV_ACCERR);
  EXPECT(last.si_addr == page + 5);
}

TEST(FaultHandlerCanRepairAndRetry) {
  static char* page;
  page = (char*)mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  InstallInfo(SIGSEGV, [](int, siginfo_t*, void*) {
    ++count;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
  });
  *(volatile char*)page = 42;
  EXPECT_EQ(page[0], 42);
  EXPECT_EQ((int)count, 1);
}

TEST(OtherFaultSignals) {
  static sigjmp_buf jump;
  for (int signal : {SIGFPE, SIGILL, SIGTRAP, SIGSEGV}) {
    InstallInfo(signal, [](int, siginfo_t* info, void*) {
      last = *info;
      siglongjmp(jump, 1);
    });
  }
  if (sigsetjmp(jump, 1) == 0) __asm__ volatile("xor %%ecx,%%ecx; idivl %%ecx" ::: "eax", "ecx", "edx");
  EXPECT_EQ(last.si_signo, SIGFPE);
  EXPECT_EQ(last.si_code, FPE_INTDIV);
  if (sigsetjmp(jump, 1) == 0) __asm__ volatile("ud2");
  EXPECT_EQ(last.si_signo, SIGILL);
  EXPECT_EQ(last.si_code, ILL_ILLOPN);
  if (sigsetjmp(jump, 1) == 0) __asm__ volatile("int3");
  EXPECT_EQ(last.si_signo, SIGTRAP);
  if (sigsetjmp(jump, 1) == 0) __asm__ volatile("hlt");
  EXPECT_EQ(last.si_signo, SIGSEGV);
  EXPECT_EQ(last.si_code, SI_KERNEL);
}

TEST(ContextCanBeChanged) {
  InstallInfo(SIGUSR1,
              [](int, siginfo_t*, void* context) { ((ucontext_t*)context)->uc_mcontext.gregs[REG_R12] = 1234; });
  register long r12 __asm__("r12") = 0;
  const long pid = getpid();
  long result = SYS_tgkill;
  __asm__ volatile("syscall"
                   : "+a"(result), "+r"(r12)
                   : "D"(pid), "S"(pid), "d"((long)SIGUSR1)
                   : "rcx", "r11", "memory");
  const long seen = r12;
  EXPECT_EQ(seen, 1234L);
}

TEST(RegistersSurviveAHandler) {
  InstallInfo(SIGUSR1, [](int, siginfo_t*, void*) {
    __asm__ volatile("xor %%ebx,%%ebx; xor %%r13d,%%r13d; xor %%r14d,%%r14d" ::: "rbx", "r13", "r14");
  });
  long bad = 0;
  for (int i = 0; i < 100; i++) {
    long rbx, r13, rax = SYS_tgkill;
    __asm__ volatile("mov $0x1111, %%rbx; mov $0x2222, %%r13; stc; syscall; mov %%rbx, %0; mov %%r13, %1"
                     : "=r"(rbx), "=r"(r13), "+a"(rax)
                     : "D"((long)getpid()), "S"((long)getpid()), "d"((long)SIGUSR1)
                     : "rbx", "r13", "rcx", "r11", "memory");
    if (rbx != 0x1111 || r13 != 0x2222 || rax != 0) ++bad;
  }
  EXPECT_EQ(bad, 0L);
}

TEST(ReadRestartsWithRestartFlag) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  Install(SIGUSR1, Count, SA_RESTART);
  SignalSleepingParent(SIGUSR1, [&] { EXPECT_EQ(write(fds[1], "x", 1), 1); });
  char c;
  EXPECT_EQ(read(fds[0], &c, 1), 1);
  EXPECT_EQ((int)count, 1);
}

TEST(ReadIsInterruptedWithoutRestartFlag) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  Install(SIGUSR1, Count);
  SignalSleepingParent(SIGUSR1);
  char c;
  EXPECT_ERRNO(read(fds[0], &c, 1), EINTR);
}

TEST(SleepReportsTheRemainder) {
  Install(SIGUSR1, Count, SA_RESTART);  // nanosleep never restarts after a handler
  SignalSleepingParent(SIGUSR1);
  timespec request = {60, 0}, left = {};
  EXPECT_ERRNO(nanosleep(&request, &left), EINTR);
  EXPECT(left.tv_sec > 0 && left.tv_sec <= 60);  // the slack of timers is part of it
}

TEST(PauseAndSigsuspend) {
  Install(SIGUSR1, Count);
  SignalSleepingParent(SIGUSR1);
  EXPECT_ERRNO(pause(), EINTR);
  sigset_t block = Set({SIGUSR1}), none = Set({});
  sigprocmask(SIG_BLOCK, &block, nullptr);
  raise(SIGUSR1);
  EXPECT_EQ((int)count, 1);
  EXPECT_ERRNO(sigsuspend(&none), EINTR);
  EXPECT_EQ((int)count, 2);
  sigset_t now;
  sigprocmask(SIG_BLOCK, nullptr, &now);
  EXPECT_EQ(sigismember(&now, SIGUSR1), 1);
}

TEST(Sigtimedwait) {
  sigset_t set = Set({SIGUSR1, SIGRTMIN});
  sigprocmask(SIG_BLOCK, &set, nullptr);
  timespec wait = {0, 50000000};
  siginfo_t info;
  EXPECT_ERRNO(sigtimedwait(&set, &info, &wait), EAGAIN);
  sigqueue(getpid(), SIGRTMIN, sigval{.sival_int = 5});
  raise(SIGUSR1);
  EXPECT_EQ(sigtimedwait(&set, &info, &wait), SIGUSR1);
  EXPECT_EQ(sigtimedwait(&set, &info, &wait), SIGRTMIN);
  EXPECT_EQ(info.si_value.sival_int, 5);
  SignalSleepingParent(SIGUSR1);
  EXPECT_EQ(sigwaitinfo(&set, &info), SIGUSR1);
}

TEST(IgnoredSignalsDoNothing) {
  Install(SIGTERM, SIG_IGN);
  raise(SIGTERM);
  kill(getpid(), SIGCHLD);  // ignored by default
  kill(getpid(), SIGURG);
  kill(getpid(), SIGCONT);
}

TEST(IgnoringDiscardsPending) {
  sigset_t set = Set({SIGUSR1}), pending;
  sigprocmask(SIG_BLOCK, &set, nullptr);
  raise(SIGUSR1);
  Install(SIGUSR1, SIG_IGN);
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGUSR1), 0);
}

TEST(IgnoredChildrenAreReapedAtOnce) {
  Install(SIGCHLD, SIG_IGN);
  const pid_t child = fork();
  if (child == 0) _exit(0);
  EXPECT_ERRNO(waitpid(child, nullptr, 0), ECHILD);
}

TEST(NocldstopSuppressesStops) {
  Install(SIGCHLD, Count, SA_NOCLDSTOP);
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  int status;
  kill(child, SIGSTOP);
  while (waitpid(child, &status, WUNTRACED) < 0) {
  }
  EXPECT_EQ((int)count, 0);
  kill(child, SIGKILL);
  WaitStatus(child);
  EXPECT(Eventually([] { return count == 1; }));
}

TEST(KillAndStopCannotBeCaught) {
  struct sigaction action = {};
  action.sa_handler = Count;
  EXPECT_ERRNO(sigaction(SIGKILL, &action, nullptr), EINVAL);
  EXPECT_ERRNO(sigaction(SIGSTOP, &action, nullptr), EINVAL);
  EXPECT_ERRNO(sigaction(65, &action, nullptr), EINVAL);
  sigset_t all, now;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  sigprocmask(SIG_BLOCK, nullptr, &now);
  EXPECT_EQ(sigismember(&now, SIGKILL), 0);
  EXPECT_EQ(sigismember(&now, SIGSTOP), 0);
}

TEST(KillErrors) {
  EXPECT_ERRNO(kill(1 << 30, SIGTERM), ESRCH);
  EXPECT_ERRNO(kill(getpid(), 65), EINVAL);
  EXPECT_ERRNO(kill(getpid(), -1), EINVAL);
  EXPECT_OK(kill(0, 0));
  EXPECT_OK(kill(getpid(), 0));
  EXPECT_ERRNO(syscall(SYS_tgkill, getpid(), -1, 0), EINVAL);
  EXPECT_ERRNO(syscall(SYS_tgkill, getpid(), 1 << 30, 0), ESRCH);
}

TEST(KillAProcessGroup) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int fds[2];
  ASSERT_OK(pipe(fds));
  const pid_t leader = fork();
  if (leader == 0) {
    setpgid(0, 0);
    if (fork() == 0) {
      close(fds[0]);
      for (;;) pause();
    }
    EXPECT_EQ(write(fds[1], "x", 1), 1);
    for (;;) pause();
  }
  char c;
  EXPECT_EQ(read(fds[0], &c, 1), 1);
  close(fds[1]);
  EXPECT_OK(kill(-leader, SIGKILL));
  EXPECT_EQ(read(fds[0], &c, 1), 0);  // both ends held by the group are closed
  EXPECT_EQ(WTERMSIG(WaitStatus(leader)), SIGKILL);
  EXPECT_EQ(WTERMSIG(WaitStatus(-1)), SIGKILL);  // the member, now our child
  EXPECT_ERRNO(kill(-leader, 0), ESRCH);
}

TEST(KillNeedsPermission) {
  const pid_t victim = fork();
  if (victim == 0) {
    for (;;) pause();
  }
  const int status = RunInChild([=] {
    if (setuid(1000) != 0) return 2;
    EXPECT_ERRNO(kill(victim, SIGTERM), EPERM);
    EXPECT_ERRNO(kill(victim, 0), EPERM);
    return (int)Failed();
  });
  EXPECT_EQ(status, 0);
  kill(victim, SIGKILL);
}

TEST(SignalsToThreads) {
  static pthread_t receiver;
  static volatile bool ready, right_thread;
  Install(SIGUSR1, [](int) {
    right_thread = pthread_equal(pthread_self(), receiver);
    ++count;
  });
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        receiver = pthread_self();
        ready = true;
        while (count == 0) usleep(1000);
        return nullptr;
      },
      nullptr);
  EXPECT(Eventually([] { return ready; }));
  EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);
  pthread_join(thread, nullptr);
  EXPECT(right_thread);
}

TEST(ProcessSignalGoesToAnUnblockedThread) {
  static volatile bool ready;
  Install(SIGUSR1, Count);
  sigset_t set = Set({SIGUSR1});
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        ready = true;
        while (count == 0) usleep(1000);
        return nullptr;
      },
      nullptr);
  EXPECT(Eventually([] { return ready; }));
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  kill(getpid(), SIGUSR1);
  pthread_join(thread, nullptr);
  EXPECT_EQ((int)count, 1);
}

TEST(FatalSignalKillsAllThreads) {
  const int status = RunInChild([] {
    pthread_t thread;
    pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
          kill(getpid(), SIGTERM);
          for (;;) pause();
        },
        nullptr);
    pthread_join(thread, nullptr);
    return 0;
  });
  EXPECT(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(SignalsInterruptBusyLoops) {
  Install(SIGALRM, Count);
  itimerval timer = {.it_interval = {0, 2000}, .it_value = {0, 2000}};
  EXPECT_OK(setitimer(ITIMER_REAL, &timer, nullptr));
  volatile unsigned long sum = 0;
  for (const double end = NowSeconds() + 5; count < 50 && NowSeconds() < end;) {
    for (int i = 0; i < 1000; i++) sum = sum + i;
  }
  EXPECT(count >= 50);
}

TEST(ExecKeepsIgnoredAndMask) {
  Install(SIGUSR1, SIG_IGN);
  Install(SIGUSR2, Count);
  sigset_t set = Set({SIGTERM});
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const int status = RunInChild([] { return execl(SelfPath(), "x", "--helper", "CheckSignals", nullptr); });
  EXPECT_EQ(status, 0);
}

HELPER(CheckSignals) {
  struct sigaction one, two;
  sigset_t now;
  sigaction(SIGUSR1, nullptr, &one);
  sigaction(SIGUSR2, nullptr, &two);
  sigprocmask(SIG_BLOCK, nullptr, &now);
  return one.sa_handler == SIG_IGN && two.sa_handler == SIG_DFL && sigismember(&now, SIGTERM) == 1 &&
                 sigismember(&now, SIGUSR1) == 0
             ? 0
             : 1;
}

TEST(SignalStorm) {
  Install(SIGUSR1, Count, SA_RESTART);
  const pid_t parent = getpid();
  std::vector<pid_t> senders;
  for (int i = 0; i < 4; i++) {
    const pid_t child = fork();
    if (child == 0) {
      for (int k = 0; k < 2000; k++) kill(parent, SIGUSR1);
      _exit(0);
    }
    senders.push_back(child);
  }
  for (pid_t sender : senders) EXPECT_EQ(WaitStatus(sender), 0);
  EXPECT(count > 0);
}
