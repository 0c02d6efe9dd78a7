// Guest of the engine's tests: argv[1] names the check. Prints "ok" or what went wrong.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXPECT(c)                                      \
  do {                                                 \
    if (!(c)) {                                        \
      printf("line %d: %s errno %d\n", __LINE__, #c, errno); \
      exit(1);                                         \
    }                                                  \
  } while (0)

static long raw(long n, long a, long b, long c) {
  long r;
  asm volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return r;
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static int hello(void) {
  EXPECT(getpid() == 1 && getppid() == 0 && syscall(SYS_gettid) == 1);
  for (int i = 0; i < 100; i++) EXPECT(getuid() == 0);
  for (int i = 0; i < 2000; i++) EXPECT(syscall(9999, i, 5) == i * 3 + 6);
  return 0;
}

static void* thread(void* x) {
  long n = (long)x;
  for (int i = 0; i < 1000; i++) EXPECT(syscall(9999, i, n) == i * 3 + n + 1);
  return (void*)(n * 2);
}
static int threads(void) {
  for (int round = 0; round < 20; round++) {
    pthread_t t[8];
    for (long i = 0; i < 8; i++) EXPECT(pthread_create(&t[i], 0, thread, (void*)i) == 0);
    for (long i = 0; i < 8; i++) {
      void* r;
      EXPECT(pthread_join(t[i], &r) == 0 && (long)r == i * 2);
    }
  }
  return 0;
}

static int forks(void) {
  volatile int local = 7;
  for (int i = 0; i < 50; i++) {
    pid_t p = fork();
    EXPECT(p >= 0);
    if (p == 0) {
      local = i;
      EXPECT(getppid() == 1 && getpid() != 1);
      for (int k = 0; k < 50; k++) EXPECT(syscall(9999, k, 5) == k * 3 + 6);
      _exit(i);
    }
    int status = -1;
    EXPECT(waitpid(p, &status, 0) == p);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == i && local == 7);
  }
  return 0;
}

static int execs(char* self) {
  for (int i = 0; i < 20; i++) {
    pid_t p = fork();
    if (p == 0) {
      execl(self, self, "exit", "42", NULL);
      _exit(1);
    }
    int status = -1;
    EXPECT(waitpid(p, &status, 0) == p && WEXITSTATUS(status) == 42);
  }
  for (int i = 0; i < 20; i++) {
    pid_t p = vfork();
    if (p == 0) {
      execl(self, self, "exit", "43", NULL);
      _exit(1);
    }
    int status = -1;
    EXPECT(waitpid(p, &status, 0) == p && WEXITSTATUS(status) == 43);
  }
  return 0;
}

static volatile int signals;
static void handler(int s) {
  signals++;
  asm volatile("pxor %%xmm3, %%xmm3; pxor %%xmm15, %%xmm15" ::: "xmm3", "xmm15");
}
static int fp(void) {
  struct sigaction sa = {.sa_handler = handler};
  sigaction(SIGUSR1, &sa, 0);
  for (int i = 0; i < 300; i++) {
    double a = i * 1.5, b = i * 2.5, ra, rb;
    long r;
    asm volatile(
        "movsd %3, %%xmm3; movsd %4, %%xmm15; mov $9999, %%eax; mov $1, %%edi; mov $2, %%esi; syscall; mov %%rax, %2;"
        "movsd %%xmm3, %0; movsd %%xmm15, %1"
        : "=m"(ra), "=m"(rb), "=r"(r)
        : "m"(a), "m"(b)
        : "rax", "rcx", "r11", "rdi", "rsi", "xmm3", "xmm15", "memory");
    EXPECT(r == 6 && ra == a && rb == b);
    asm volatile(
        "movsd %3, %%xmm3; movsd %4, %%xmm15; mov $234, %%eax; mov $1, %%edi; mov $1, %%esi; mov $10, %%edx; syscall;"
        "mov %%rax, %2; movsd %%xmm3, %0; movsd %%xmm15, %1"
        : "=m"(ra), "=m"(rb), "=r"(r)
        : "m"(a), "m"(b)
        : "rax", "rcx", "r11", "rdi", "rsi", "rdx", "xmm3", "xmm15", "memory");
    EXPECT(r == 0 && ra == a && rb == b && signals == i + 1);
  }
  return 0;
}

static volatile int stop;
static int spin(void) {  // interrupted from outside all the time
  uint64_t sum = 1;
  double x = 1;
  for (long i = 0; i < 30000; i++) {
    for (int k = 0; k < 300; k++) {
      sum = sum * 6364136223846793005ull + 1442695040888963407ull;
      x = x * 1.0000001;
    }
    if (i % 16 == 0) EXPECT(syscall(9999, i, 5) == i * 3 + 6);
    if (i % 16 == 5) EXPECT(getpid() == 1);
    if (i % 64 == 7) {
      char* p = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      EXPECT(p != MAP_FAILED);
      p[5] = 1;
      EXPECT(munmap(p, 4096) == 0);
    }
  }
  printf("%lx %.17g\n", sum, x);
  return 0;
}

static int clocks(void) {  // by the vDSO, or by calls where there is none
  double last = now();
  for (int i = 0; i < 1000; i++) {
    const double next = now();
    EXPECT(next >= last && next > 0);
    last = next;
  }
  return 0;
}

static int faults(void) {
  struct {
    int signal;
    const char* what;
  } cases[] = {{SIGSEGV, "null"}, {SIGILL, "ud2"}, {SIGTRAP, "int3"}, {SIGFPE, "div"}, {SIGSEGV, "noncanonical"},
               {SIGSEGV, "stack"}, {SIGSEGV, "gs"}};
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
      switch (i) {
        case 0: *(volatile int*)8 = 1; break;
        case 1: asm volatile("ud2"); break;
        case 2: asm volatile("int3"); break;
        case 3: asm volatile("xor %%ecx, %%ecx; mov $1, %%eax; cdq; idiv %%ecx" ::: "eax", "ecx", "edx"); break;
        case 4: asm volatile("movabs $0x8000000000000000, %%rax; jmp *%%rax" ::: "rax"); break;
        case 5: asm volatile("mov $8, %%rsp; push %%rax" ::: "memory"); break;
        case 6: asm volatile("mov %%gs:0x7fffffff, %%rax" ::: "rax"); break;
      }
      _exit(77);
    }
    int status = -1;
    EXPECT(waitpid(p, &status, 0) == p);
    if (!(WIFSIGNALED(status) && WTERMSIG(status) == cases[i].signal)) {
      printf("%s: status %x\n", cases[i].what, status);
      return 1;
    }
  }
  return 0;
}

static int memory(void) {
  for (int i = 0; i < 200; i++) {
    char* p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(p != MAP_FAILED);
    memset(p, i, 1 << 20);
    EXPECT(mprotect(p, 4096, PROT_READ) == 0);
    EXPECT(madvise(p, 1 << 20, MADV_DONTNEED) == 0 && p[5000] == 0);
    p = mremap(p, 1 << 20, 2 << 20, MREMAP_MAYMOVE);
    EXPECT(p != MAP_FAILED || errno == EFAULT);
    if (p != MAP_FAILED) EXPECT(munmap(p, 2 << 20) == 0);
  }
  EXPECT(raw(SYS_munmap, 0x7e0000000000, 4096, 0) == -EINVAL);
  EXPECT(raw(SYS_mprotect, 0x7e0000000000, 4096, 7) == -ENOMEM);
  EXPECT(mmap((void*)0x7e0000000000, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
  EXPECT(raw(9999, 1, 2, 0) == 6);
  return 0;
}

static int odd_entries(void) {
  pid_t p = fork();  // a 32-bit call: refused, or a fault where the host has none
  if (p == 0) {
    long r;
    asm volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory");
    _exit(r == -ENOSYS ? 5 : 6);
  }
  int status = -1;
  EXPECT(waitpid(p, &status, 0) == p);
  EXPECT(status == SIGSEGV || WEXITSTATUS(status) == 5);
  EXPECT(raw(0x40000000 | 39, 0, 0, 0) == -ENOSYS);
  EXPECT(raw(-1, 0, 0, 0) == -ENOSYS);
  EXPECT(raw(0x10000270fL, 1, 2, 3) == raw(9999, 1, 2, 3));  // the low half counts
  return 0;
}

// Children that attack the stub; whatever they do, this process and the engine go on.
enum { BATCH = 16 };
static volatile int attacker;  // a jump may well end in main()
static void run_attackers(void (*attack)(unsigned), unsigned first, unsigned step, unsigned rounds, int usec) {
  for (unsigned round = 0; round < rounds; round++) {
    pid_t kids[BATCH];
    for (int i = 0; i < BATCH; i++) {
      kids[i] = fork();
      if (kids[i] == 0) {
        attacker = 1;
        attack(first + (round * BATCH + i) * step);
        _exit(7);
      }
      EXPECT(kids[i] > 0);
    }
    double start = now();
    for (long i = 0; now() - start < usec * 1e3; i++) EXPECT(syscall(9999, i, 5) == i * 3 + 6);
    for (int i = 0; i < BATCH; i++) kill(kids[i], SIGKILL);
    for (int i = 0; i < BATCH; i++) {
      int status = -1;
      EXPECT(waitpid(kids[i], &status, 0) == kids[i]);
    }
  }
}

// Until the engine can make no more: who asks is told, and lives.
static int forks_to_the_limit(void) {
  static pid_t kids[4096];
  int n = 0;
  while (n < 4096 && (kids[n] = fork()) > 0) n++;
  if (n < 4096 && kids[n] == 0) {
    for (;;) raw(SYS_clock_nanosleep, 0, 0, 0);
  }
  EXPECT(n > 0 && n < 4096);
  EXPECT(errno == EAGAIN || errno == EMFILE || errno == ENFILE);
  for (int i = 0; i < n; i++) kill(kids[i], SIGKILL);
  for (int i = 0; i < n; i++) {
    int status = -1;
    EXPECT(waitpid(kids[i], &status, 0) == kids[i]);
  }
  return 0;
}

static char* slot(void) {
  char* p;
  asm volatile("mov %%gs:0, %0" : "=r"(p));
  return p;
}

#define STUB 0x7e0000000000ul
static void jump(unsigned at) {
  static char area[8192];
  uint64_t seed = at * 6364136223846793005ull + 1;
  uint64_t r[8];
  for (int i = 0; i < 8; i++) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    switch (seed >> 61) {
      case 0: case 1: r[i] = (uint64_t)slot(); break;
      case 2: r[i] = (uint64_t)area + 4096; break;
      case 3: r[i] = STUB + 0x100000; break;
      case 4: r[i] = seed >> 56; break;
      case 5: r[i] = STUB + (seed >> 50); break;
      default: r[i] = seed;
    }
  }
  asm volatile(
      "mov 0(%0), %%rax; mov 8(%0), %%rsi; mov 16(%0), %%rdx; mov 24(%0), %%r8; mov 32(%0), %%r9;"
      "mov 40(%0), %%r10; mov 48(%0), %%r12; mov 56(%0), %%r14; mov %%rax, %%rdi; mov %%r9, %%rax; jmp *%1"
      :
      : "b"(r), "r"(STUB + at)
      : "rax", "rsi", "rdx", "rdi", "r8", "r9", "r10", "r12", "r14", "memory");
}
static int jumps(unsigned step) {
  run_attackers(jump, 0, step, 0x3800 / step / BATCH + 1, 10000);
  return 0;
}

static void* scribbler(void* x) {
  volatile char* s = x;
  for (unsigned seed = (unsigned)now();;) {
    seed = seed * 1103515245 + 12345;
    s[(seed >> 8) % 0x400] = seed >> 20;
    if ((seed & 0xff00) == 0) s[0x1c0] = 1;
  }
  return 0;
}
static void scribble(unsigned at) {
  pthread_t t;
  char* mine = slot();
  if (pthread_create(&t, 0, scribbler, mine) != 0) _exit(8);
  for (;;) raw(9999, 1, 2, 3);
}
static int scribbles(void) {
  run_attackers(scribble, 0, 1, 2, 150000);
  return 0;
}

// A thread answers in the helper's place while another forks. Nothing it says may leave a child behind.
struct helper_pages {
  uint32_t sequence, count;
  char rest[0x3000 - 8];
  uint32_t ack, done, pad[14];
  int64_t results[400];
};
static void* liar(void* x) {
  volatile struct helper_pages* pages = (void*)(STUB + 0x100000);
  const int64_t answers[] = {-EAGAIN, 1, -ENOMEM, 1 << 30};
  for (unsigned i = 0;; i++) {
    pages->results[0] = answers[i % 4];
    pages->done = 1;
    if (i % 8 < 4) pages->ack = pages->sequence;
  }
  return x;
}
static void lie(unsigned at) {
  pthread_t t;
  if (pthread_create(&t, 0, liar, 0) != 0) _exit(8);
  for (;;) {
    if (fork() == 0) _exit(0);
  }
}
static int lies(void) {
  run_attackers(lie, 0, 1, 4, 150000);
  return 0;
}
// A thread makes of the helper's answer that the new thread is number 1: not one of ours.
static void* thread_liar(void* x) {
  volatile struct helper_pages* pages = (void*)(STUB + 0x100000);
  while (!__atomic_load_n((int*)x, __ATOMIC_ACQUIRE)) {
    for (int i = 0; i < 8; i++) pages->results[i] = 1;
  }
  return x;
}
static void* does_nothing(void* x) { return x; }
static int lies_about_threads(void) {
  static int stop;
  int refused = 0;
  pthread_t t, other;
  EXPECT(pthread_create(&t, 0, thread_liar, &stop) == 0);
  for (int i = 0; i < 100000 && !refused; i++) {
    refused = pthread_create(&other, 0, does_nothing, 0) != 0;
    if (!refused) pthread_join(other, 0);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  EXPECT(pthread_join(t, 0) == 0);
  EXPECT(refused);
  return 0;
}

// A thread says that the helper is done before it is; or that mappings are where none can be.
static void* early_liar(void* x) {
  volatile struct helper_pages* pages = (void*)(STUB + 0x100000);
  for (;;) pages->ack = pages->sequence;
  return x;
}
static void* place_liar(void* x) {
  volatile struct helper_pages* pages = (void*)(STUB + 0x100000);
  for (;;) pages->results[0] = -8192;
  return x;
}
static int lies_about_answers(void) {
  void* (*const liars[])(void*) = {early_liar, place_liar};
  for (int i = 0; i < 2; i++) {
    const pid_t p = fork();
    if (p == 0) {
      pthread_t t;
      const long start = raw(SYS_brk, 0, 0, 0);
      if (pthread_create(&t, 0, liars[i], 0) != 0) _exit(8);
      for (long k = 1; k < 1000000; k++) raw(SYS_brk, start + k % 1000 * 4096, 0, 0);
      _exit(7);
    }
    int status = -1;
    EXPECT(waitpid(p, &status, 0) == p);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  }
  return 0;
}

// A thread says that more was staged than there is room for: behind it are other processes' slots.
enum { POLLS = 65536, REACH = POLLS * 8, VICTIMS = 4 };
static const char secret[] = "not for other processes";
static char* volatile poller_slot;
static void* overstater(void* x) {
  while (!poller_slot) sched_yield();
  volatile uint32_t* meta = (void*)(poller_slot + 0x1c4);
  for (;;) *meta = 1 << 12 | 1 << 20;  // a call, its first buffer staged
  return x;
}
static pid_t victim(void) {
  static char page[4096];
  const pid_t p = fork();
  if (p != 0) return p;
  for (int i = 0; i + sizeof secret < sizeof page; i += sizeof secret) memcpy(page + i, secret, sizeof secret);
  for (;;) raw(SYS_write, 99, (long)page, sizeof page);
}
static void* poller(void* x) {
  static char fds[REACH];
  poller_slot = slot();
  *(int*)x = 1;
  for (int i = 0; i < 3000; i++) {
    raw(SYS_poll, (long)fds, POLLS, 0);
    if (memmem(fds, REACH, secret, sizeof secret)) return x;
  }
  *(int*)x = 0;
  return 0;
}
static int overstates(void) {
  pid_t victims[2 * VICTIMS];
  pthread_t liar, reader;
  volatile int state = -1;
  EXPECT(pthread_create(&liar, 0, overstater, 0) == 0);
  for (int i = 0; i < VICTIMS; i++) victims[i] = victim();
  EXPECT(pthread_create(&reader, 0, poller, (void*)&state) == 0);
  for (int i = VICTIMS; i < 2 * VICTIMS; i++) victims[i] = victim();
  EXPECT(pthread_join(reader, 0) == 0);
  for (int i = 0; i < 2 * VICTIMS; i++) {
    kill(victims[i], SIGKILL);
    EXPECT(waitpid(victims[i], 0, 0) == victims[i]);
  }
  EXPECT(state == 0);
  return 0;
}

// A thread becomes a rogue helper: it enters the helper's loop with a command page of its own.
static struct {
  uint32_t sequence, count, want_wake, pad[13];
  struct { uint64_t number, args[6], stop; } ops[100];
  char rest[0x3000 - 64 - 6400];
  uint32_t ack, done, pad2[14];
  int64_t results[400];
} forged __attribute__((aligned(4096)));
static uint64_t helper_loop;
static void* rogue_start(void* x) {
  asm volatile("mov %0, %%r12; xor %%r13d, %%r13d; movabs $0x123456789000, %%r14; jmp *%1"
               :
               : "r"(&forged), "r"(helper_loop)
               : "r12", "r13", "r14", "memory");
  return 0;
}
static int rogue_helper(uint64_t address) {
  static const struct { uint64_t number, args[6]; } tries[] = {
      {SYS_open, {(uint64_t)"/etc/passwd"}}, {SYS_openat, {-100ul, (uint64_t)"/etc/passwd"}},
      {SYS_write, {1, STUB, 5}}, {SYS_read, {0, STUB, 5}}, {SYS_socket, {2, 1}}, {SYS_kill, {1, 9}},
      {SYS_mmap, {0, 4096, 1, MAP_SHARED, 3}}, {SYS_mmap, {0, 4096, 1, MAP_SHARED, 5}},
      {SYS_mmap, {STUB, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1ul}},
      {SYS_mprotect, {STUB, 65536, 7}}, {SYS_munmap, {STUB, 65536}}, {SYS_mremap, {STUB + 0x100000, 4096, 4096, 3, 0x10000000}},
      {SYS_madvise, {STUB + 0x10000000, 0x40000, MADV_REMOVE}}, {SYS_clone, {0x50f00}}, {SYS_clone, {17}},
      {0x10000, {17}}, {0x10001, {0x50f00}}, {SYS_close_range, {0, ~0ul}}, {SYS_sigaltstack, {0, 0}},
      {SYS_rt_sigprocmask, {0, 0, 0, 8}}, {SYS_execve, {(uint64_t)"/bin/sh"}}, {SYS_ptrace, {0}},
      {SYS_process_vm_readv, {1}}, {SYS_io_uring_setup, {8}}, {SYS_userfaultfd, {0}}, {SYS_seccomp, {1}},
      {SYS_prctl, {4, 0}}, {SYS_prctl, {1, 0}}, {SYS_memfd_create, {(uint64_t)"x"}},
      {SYS_rt_sigreturn, {0}}, {SYS_readv, {0, 0, 1}}, {SYS_preadv, {3, (uint64_t)&forged, 1}},
      {0x40000000 | SYS_getpid, {0}}, {SYS_setuid, {0}}, {SYS_unshare, {0x10000000}}, {SYS_ptrace, {16, 1}},
  };
  enum { N = sizeof tries / sizeof *tries };
  for (int i = 0; i < N; i++) {
    forged.ops[i].number = tries[i].number;
    memcpy(forged.ops[i].args, tries[i].args, sizeof tries[i].args);
  }
  forged.count = N;
  forged.sequence = 1;
  helper_loop = address;
  pthread_t t;
  EXPECT(pthread_create(&t, 0, rogue_start, 0) == 0);
  for (double start = now(); __atomic_load_n(&forged.ack, __ATOMIC_ACQUIRE) != 1 && now() - start < 2e9;) sched_yield();
  EXPECT(forged.ack == 1 && forged.done == N);
  for (int i = 0; i < N; i++) {
    if (forged.results[i] >= 0 || forged.results[i] < -4095) {
      printf("call %ld succeeded: %lx\n", (long)tries[i].number, forged.results[i]);
      return 1;
    }
  }
  EXPECT(syscall(9999, 1, 5) == 9);
  return 0;
}

static void* waiter(void* x) {
  int* word = x;
  while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0) syscall(SYS_futex, word, 128, 0, 0, 0, 0);
  return 0;
}
static int futexes(void) {
  for (int i = 0; i < 100; i++) {
    int word = 0;
    pthread_t t;
    EXPECT(pthread_create(&t, 0, waiter, &word) == 0);
    sched_yield();
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &word, 129, 1, 0, 0, 0);
    EXPECT(pthread_join(t, 0) == 0);
  }
  return 0;
}

static int pipe_fd[4];
static void* echo(void* x) {
  char c;
  for (int i = 0; i < 5000; i++) {
    EXPECT(read(pipe_fd[0], &c, 1) == 1);
    EXPECT(write(pipe_fd[3], &c, 1) == 1);
  }
  return 0;
}
static void* nothing(void* x) { return x; }
static const char* bench_one;
static double bench_loop(const char* what, int n, void (*f)(long)) {
  if (bench_one && strcmp(bench_one, what)) return 0;
  double best = 1e18;
  for (int round = 0; round < 5; round++) {
    double t = now();
    for (long i = 0; i < n; i++) f(i);
    t = (now() - t) / n;
    if (t < best) best = t;
  }
  printf("%-24s %10.0f ns\n", what, best);
  return best;
}
static void b_getpid(long i) { syscall(SYS_getpid); }
static void b_null(long i) { if (syscall(9999, i, 5) != i * 3 + 6 && errno != ENOSYS) exit(3); }
static void b_mmap(long i) { munmap(mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096); }
static void b_touch(long i) {
  char* p = mmap(0, 1 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int k = 0; k < 1 << 20; k += 4096) p[k] = 1;
  munmap(p, 1 << 20);
}
static void b_thread(long i) {
  pthread_t t;
  EXPECT(pthread_create(&t, 0, nothing, 0) == 0);
  pthread_join(t, 0);
}
static void b_fork(long i) {
  pid_t p = fork();
  if (!p) _exit(33);
  int st = -1;
  EXPECT(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 33);
}
static char* self_path;
static void b_exec(long i) {
  pid_t p = fork();
  if (!p) {
    execl(self_path, self_path, "exit", "42", NULL);
    _exit(1);
  }
  int st = -1;
  EXPECT(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 42);
}
static void b_vexec(long i) {
  pid_t p = vfork();
  if (!p) {
    execl(self_path, self_path, "exit", "42", NULL);
    _exit(1);
  }
  int st = -1;
  EXPECT(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 42);
}
static char buf64[65536];
static void b_pread64k(long i) { pread(100, buf64, 65536, 0); }
static void b_pread4k(long i) { pread(100, buf64, 4096, 0); }
static int bench(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  bench_loop("getpid", 100000, b_getpid);
  bench_loop("null call", 20000, b_null);
  bench_loop("mmap+munmap", 5000, b_mmap);
  bench_loop("touch 1M", 50, b_touch);
  bench_loop("pread 4K", 5000, b_pread4k);
  bench_loop("pread 64K", 2000, b_pread64k);
  bench_loop("thread", 300, b_thread);
  bench_loop("fork", 100, b_fork);
  bench_loop("fork+exec", 50, b_exec);
  bench_loop("vfork+exec", 50, b_vexec);
  if ((!bench_one || !strcmp(bench_one, "ping-pong")) && pipe(pipe_fd) == 0 && pipe(pipe_fd + 2) == 0) {
    pthread_t t;
    double a = now();
    pthread_create(&t, 0, echo, 0);
    for (int i = 0; i < 5000; i++) {
      char c = 'x';
      EXPECT(write(pipe_fd[1], &c, 1) == 1 && read(pipe_fd[2], &c, 1) == 1);
    }
    pthread_join(t, 0);
    printf("%-24s %10.0f ns\n", "ping-pong", (now() - a) / 5000);
  }
  return 0;
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "hello";
  self_path = argv[0];
  int r = 2;
  if (!strcmp(what, "exit")) _exit(atoi(argv[2]));
  if (!strcmp(what, "hello")) r = hello();
  if (!strcmp(what, "threads")) r = threads();
  if (!strcmp(what, "forks")) r = forks();
  if (!strcmp(what, "execs")) r = execs(argv[0]);
  if (!strcmp(what, "fp")) r = fp();
  if (!strcmp(what, "spin")) r = spin();
  if (!strcmp(what, "faults")) r = faults();
  if (!strcmp(what, "clocks")) r = clocks();
  if (!strcmp(what, "memory")) r = memory();
  if (!strcmp(what, "odd_entries")) r = odd_entries();
  if (!strcmp(what, "futexes")) r = futexes();
  if (!strcmp(what, "bench")) {
    bench_one = argv[2];
    r = bench();
  }
  if (!strcmp(what, "jumps")) r = jumps(atoi(argv[2]));
  if (!strcmp(what, "scribbles")) r = scribbles();
  if (!strcmp(what, "lies")) r = lies();
  if (!strcmp(what, "lies_about_threads")) r = lies_about_threads();
  if (!strcmp(what, "lies_about_answers")) r = lies_about_answers();
  if (!strcmp(what, "overstates")) r = overstates();
  if (!strcmp(what, "forks_to_the_limit")) r = forks_to_the_limit();
  if (!strcmp(what, "rogue_helper")) r = rogue_helper(strtoul(argv[2], 0, 16));
  if (!strcmp(what, "fork_and_hang")) {
    fork();
    for (;;) {
    }
  }
  if (!strcmp(what, "hang")) for (;;) ;
  if (r == 0 && !attacker) printf("ok\n");
  return r;
}
