// Attack mode: workers make random calls with random, boundary and racing arguments until they die or are
// done; the supervisor, init of the sandbox, replaces them. Only the sandbox's own death, hang or growth counts.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/suites/fuzz/fuzz.h"
#include "tests/suites/fuzz/random.h"
#include "tests/suites/fuzz/raw_call.h"

namespace fuzz {
namespace {

// --- the calls: what each argument is, as the strace table of the sentry has it.
struct CallSpec {
  long number;
  const char* name;
  const char* letters;
};

constexpr CallSpec kCalls[] = {
#define STRACE(name, letters) {SYS_##name, #name, letters},
#include "syscalls/strace_args.inc"
#undef STRACE
};

// What would end the worker before it did anything, or run its code on another stack.
bool IsLeftOut(long number) {
  switch (number) {
    case SYS_exit:
    case SYS_exit_group:
    case SYS_vfork:
    case SYS_rt_sigreturn:
    case SYS_reboot:
      return true;
    default:
      return false;
  }
}

// --- memory that arguments point into: written by all threads of a worker at any time.
constexpr uint64_t kArena = 0x40000000, kArenaSize = 64 << 12;
constexpr uint64_t kReadOnly = kArena + kArenaSize, kNothing = kReadOnly + 4096;
constexpr int kDescriptors = 40;
constexpr const char* kPaths[] = {"/",
                                  ".",
                                  "..",
                                  "a",
                                  "b",
                                  "d",
                                  "d/a",
                                  "d/../b",
                                  "l",
                                  "loop",
                                  "/tmp",
                                  "/proc/self/maps",
                                  "/proc/self/fd",
                                  "/proc/self/fd/5",
                                  "/proc/self/mem",
                                  "/proc/self/status",
                                  "/proc/sys/kernel/hostname",
                                  "/proc/self/ns/net",
                                  "/proc/self/task",
                                  "/dev/null",
                                  "/dev/zero",
                                  "/dev/ptmx",
                                  "/dev/tty",
                                  "/dev/shm/m",
                                  "/dev/pts/0",
                                  "/sys",
                                  "/etc/passwd",
                                  "user.x",
                                  "security.capability",
                                  "system.posix_acl_access",
                                  "tmpfs",
                                  "proc",
                                  "overlay",
                                  "",
                                  "lowerdir=/tmp,upperdir=d,workdir=e",
                                  "size=1m",
                                  "/mq"};

void MapArena() {
  mmap(reinterpret_cast<void*>(kArena), kArenaSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
       0);
  mmap(reinterpret_cast<void*>(kReadOnly), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  mmap(reinterpret_cast<void*>(kNothing), 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

uint64_t Number(Random& random) {
  switch (random.Below(6)) {
    case 0:
      return random.Pick<uint64_t>(
          {UINT64_MAX, 0x80000000, 0x7fffffff, 0xffffffff, 1ull << 63, INT64_MAX, 1ull << 32, 0x7ffffffff000});
    case 1:
      return uint64_t{1} << random.Below(64);
    case 2:
      return uint64_t{1} << random.Below(32) | uint64_t{1} << random.Below(32);
    case 3:
      return random.Pick<uint64_t>({4095, 4096, 4097, 65536, 1 << 20, uint64_t(-100), uint64_t(-4096), uint64_t(-22)});
    default:
      return random.Below(random.OneIn(3) ? 4096 : 24);
  }
}

uint64_t Pointer(Random& random) {
  switch (random.Below(20)) {
    case 0:
      return 0;
    case 1:
      return random.Pick<uint64_t>({1, 8, kNothing, kNothing - 1, kNothing - 7, kReadOnly, 1ull << 47, (1ull << 47) - 8,
                                    UINT64_MAX - 4095, 0xffff800000000000, 0x7e0000000000, 0x7e1000000000});
    case 2:
      return kReadOnly - random.Below(64);  // runs out of writable memory
    default:
      return kArena + random.Below(kArenaSize / 64) * 64 + (random.OneIn(8) ? random.Below(64) : 0);
  }
}

uint64_t Size(Random& random) {
  return random.OneIn(4) ? Number(random) : random.Pick<uint64_t>({0, 1, 4, 8, 16, 24, 64, 128, 1024, 4096, 65536});
}

uint64_t ProcessNumber(Random& random) {
  return random.Pick<uint64_t>({0, 0, static_cast<uint64_t>(RawCall(SYS_getpid)),
                                static_cast<uint64_t>(RawCall(SYS_gettid)), static_cast<uint64_t>(RawCall(SYS_getppid)),
                                2, 3, 4, 5, 99999});
}

uint64_t Flags(Random& random, std::initializer_list<int> known) {
  uint64_t flags = 0;
  for (uint64_t n = random.Below(4); n > 0; --n) flags |= static_cast<uint64_t>(random.Pick(known));
  return random.OneIn(10) ? flags | Number(random) : flags;
}

uint64_t PathArgument(Random& random) {
  const uint64_t at = kArena + random.Below(kArenaSize / 64) * 64;
  strcpy(reinterpret_cast<char*>(at), random.Pick(kPaths));
  return at;
}

uint64_t Argument(Random& random, char letter) {
  if (random.OneIn(16)) return random.OneIn(2) ? Number(random) : Pointer(random);
  switch (letter) {
    case 'f':
      return random.OneIn(20) ? Number(random) : random.Below(kDescriptors);
    case 'D':
      return random.OneIn(2) ? static_cast<uint64_t>(AT_FDCWD) : random.Below(kDescriptors);
    case 's':
      return random.OneIn(8) ? Pointer(random) : PathArgument(random);
    case 'O':
      return Flags(random, {O_RDWR, O_WRONLY, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW,
                            O_PATH, O_CLOEXEC, O_DIRECT, O_TMPFILE, O_NOATIME, O_SYNC});
    case 'p':
      return Flags(random, {PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE, PROT_EXEC, PROT_GROWSDOWN});
    case 'm':
      return Flags(random, {MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_GROWSDOWN, MAP_LOCKED, MAP_NORESERVE,
                            MAP_POPULATE, MAP_STACK, MAP_FIXED_NOREPLACE, MAP_HUGETLB, MAP_SHARED_VALIDATE, MAP_32BIT});
    case 'A':
      return Flags(random, {AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, AT_NO_AUTOMOUNT});
    case 'c':  // of a child with memory of its own: it ends at once
      return (Flags(random,
                    {CLONE_FILES, CLONE_FS, CLONE_PARENT, CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,
                     CLONE_NEWIPC, CLONE_PIDFD, CLONE_PARENT_SETTID, CLONE_CHILD_CLEARTID, CLONE_SYSVSEM, SIGCHLD}) &
              ~uint64_t{CLONE_VM});
    case 'S':
      return random.OneIn(4) ? random.Below(70)
                             : static_cast<uint64_t>(random.Pick({SIGALRM, SIGCHLD, SIGUSR1, SIGCONT, SIGURG, 34}));
    case 'F':
      return random.Below(16) | random.Pick<uint64_t>({0, 128, 256, 384});
    case 'w':
      return random.Below(6);
    case 'u':
      return Size(random);
    case 'd':
      return random.OneIn(3) ? ProcessNumber(random) : Number(random);
    case 'o':
      return random.OneIn(4) ? Number(random) : random.Below(010000);
    default:  // x: anything; the others: memory
      return letter != 'x' || random.OneIn(2) ? Pointer(random) : Number(random);
  }
}

// --- structures: what calls read from memory.
template <typename T>
void Store(uint64_t at, const T& value) {
  memcpy(reinterpret_cast<void*>(at), &value, sizeof(value));
}

void ScribbleOne(Random& random, uint64_t at) {
  switch (random.Below(7)) {
    case 0:
      return Store(at, iovec{reinterpret_cast<void*>(Pointer(random)), Size(random)});
    case 1:
      return Store(at, timespec{static_cast<long>(random.Below(2)), static_cast<long>(random.Below(3000000))});
    case 2: {
      sockaddr_un name{AF_UNIX, {}};
      snprintf(name.sun_path, sizeof(name.sun_path), "%s", random.Pick(kPaths));
      return Store(at, name);
    }
    case 3:
      return Store(at, epoll_event{static_cast<uint32_t>(Number(random)), {.u64 = random.Next()}});
    case 4:
      strcpy(reinterpret_cast<char*>(at), random.Pick(kPaths));
      return;
    case 5:
      for (int i = 0; i < 8; ++i) Store(at + i * 8, random.OneIn(2) ? Number(random) : Pointer(random));
      return;
    default:
      for (int i = 0; i < 16; ++i) Store(at + i * 4, static_cast<uint32_t>(random.Below(kDescriptors)));
  }
}

void Scribble(Random& random) {
  for (int i = 0; i < 8; ++i) ScribbleOne(random, kArena + random.Below(kArenaSize / 64 - 1) * 64);
}

// --- a worker
void MakeFiles() {
  mkdir("d", 0777);
  symlink("a", "l");
  symlink("loop", "loop");
  close(open("a", O_RDWR | O_CREAT, 0666));
  mkfifo("b", 0666);
}

void OpenDescriptors() {
  int ends[2];
  for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) socketpair(AF_UNIX, type, 0, ends);
  pipe2(ends, 0);
  pipe2(ends, O_NONBLOCK | O_DIRECT);
  for (const char* path : {"a", ".", "/proc/self/status", "/dev/null", "/dev/ptmx", "/", "/etc/passwd"}) {
    if (open(path, O_RDWR) < 0) open(path, O_RDONLY);
  }
  open("b", O_RDWR);
  epoll_create1(0);
  eventfd(1, 0);
  timerfd_create(CLOCK_MONOTONIC, 0);
  inotify_init();
  memfd_create("m", MFD_ALLOW_SEALING);
  sigset_t none;
  sigemptyset(&none);
  signalfd(-1, &none, 0);
  for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}) {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW}) socket(family, type, 0);
  }
}

void SetLimits() {
  const auto set = [](int what, rlim_t value) {
    const rlimit limit{value, value};
    setrlimit(static_cast<__rlimit_resource>(what), &limit);
  };
  set(RLIMIT_AS, 1ull << 30);
  set(RLIMIT_FSIZE, 1 << 20);
  set(RLIMIT_NOFILE, 256);
  set(RLIMIT_NPROC, 64);
  set(RLIMIT_CORE, 0);
}

// So that no call keeps the calling thread for long.
void InterruptOften() {
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGALRM;
  event._sigev_un._tid = static_cast<pid_t>(RawCall(SYS_gettid));
  timer_t timer;
  const itimerspec often{{0, 3000000}, {0, 3000000}};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) timer_settime(timer, 0, &often, nullptr);
}

struct Progress {
  std::atomic<uint64_t> calls;
};

// Its children of clone and fork come back here, too: they end.
void CallRandomly(uint64_t seed, uint64_t calls, Progress& progress) {
  Random random(seed);
  InterruptOften();
  const long pid = RawCall(SYS_getpid), tid = RawCall(SYS_gettid);
  for (uint64_t i = 0; i < calls; ++i) {
    if (i % 4 == 0) Scribble(random);
    const CallSpec& call = random.Pick(kCalls);
    long number = random.OneIn(200) ? static_cast<long>(random.Below(600)) : call.number;
    const char* letters = call.letters + (call.letters[0] == '!');
    uint64_t args[6];
    const size_t known = strlen(letters);
    for (size_t k = 0; k < 6; ++k) args[k] = Argument(random, k < known ? letters[k] : 'x');
    if (IsLeftOut(number)) continue;
    RawCall(number, args);
    if (RawCall(SYS_getpid) != pid || RawCall(SYS_gettid) != tid) RawCall(SYS_exit);
    progress.calls.fetch_add(1, std::memory_order_relaxed);
  }
}

void Worker(uint64_t seed, const Options& options, Progress& progress) {
  Random random(seed);
  const std::string home = "/tmp/w" + std::to_string(seed % 4);
  mkdir(home.c_str(), 0777);
  if (chdir(home.c_str()) != 0) _exit(1);
  for (int fd = 0; fd < 3; ++fd) dup2(open("/dev/null", O_RDWR), fd);
  MakeFiles();
  if (random.OneIn(3)) setresuid(1000, 1000, 1000);
  if (random.OneIn(2)) unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET);
  SetLimits();
  OpenDescriptors();
  struct sigaction interrupt = {};
  interrupt.sa_handler = [](int) {};
  sigaction(SIGALRM, &interrupt, nullptr);
  MapArena();
  std::vector<std::thread> siblings;
  for (int i = 1; i < options.threads; ++i) {
    siblings.emplace_back(
        [&, i] { CallRandomly(seed ^ static_cast<uint64_t>(i) << 48, options.calls_per_worker, progress); });
  }
  CallRandomly(seed, options.calls_per_worker, progress);
  _exit(0);
}

// --- the supervisor
int64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// A worker that cannot see us, under the init of namespaces of its own, whose end takes all along: what it makes
// and Linux keeps is not counted as growth.
pid_t StartWorker(uint64_t seed, const Options& options, Progress& progress) {
  const pid_t init =
      static_cast<pid_t>(RawCall(SYS_clone, {CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | SIGCHLD, 0, 0, 0, 0, 0}));
  if (init != 0) return init;
  const pid_t worker = fork();
  if (worker == 0) Worker(seed, options, progress);
  while (worker > 0 && waitpid(-1, nullptr, 0) != worker) {
  }
  _exit(0);
}

// Until the worker ends or makes no call for a while.
void Await(pid_t init, Progress& progress) {
  constexpr int64_t kStall = 400, kLife = 4000;
  const int64_t born = NowMs();
  int64_t moved = born;
  for (uint64_t last = 0; waitpid(init, nullptr, WNOHANG) == 0;) {
    const uint64_t calls = progress.calls;
    const int64_t now = NowMs();
    if (calls != last) moved = now;
    last = calls;
    if (now - moved > kStall || now - born > kLife) kill(init, SIGKILL);
    usleep(2000);
  }
}

// Ordinary work still succeeds.
bool StillWorks() {
  int fds[2];
  if (pipe(fds) != 0) return false;
  const pid_t child = fork();
  if (child == 0) _exit(write(fds[1], "x", 1) == 1 ? 7 : 1);
  char byte = 0;
  int status = 0;
  bool ok = child > 0 && read(fds[0], &byte, 1) == 1 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7;
  close(fds[0]);
  close(fds[1]);
  const int fd = open("/tmp/alive", O_RDWR | O_CREAT | O_TRUNC, 0600);
  ok = ok && fd >= 0 && write(fd, "alive", 5) == 5;
  close(fd);
  return ok;
}

}  // namespace

int Attack(const Options& options) {
  if (getpid() != 1) {
    fprintf(stderr, "fuzz: attack mode is for the init of a container, not for a machine\n");
    return 2;
  }
  auto* progress =
      static_cast<Progress*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const int64_t end = NowMs() + options.seconds * 1000;
  uint64_t calls = 0, workers = 0;
  for (int64_t shown = 0; options.seconds > 0 ? NowMs() < end : calls < options.calls; ++workers) {
    progress->calls = 0;
    const pid_t worker = StartWorker(options.seed + workers, options, *progress);
    if (worker < 0) return fprintf(stderr, "fuzz: clone: %s\n", strerror(-worker)), 1;
    Await(worker, *progress);
    calls += progress->calls;
    if (NowMs() - shown < 1000) continue;
    shown = NowMs();
    printf("calls %lu workers %lu\n", calls, workers + 1);
    fflush(stdout);
  }
  const bool works = StillWorks();
  printf("calls %lu workers %lu\n%s\n", calls, workers, works ? "alive" : "broken");
  return works ? 0 : 1;
}

}  // namespace fuzz
