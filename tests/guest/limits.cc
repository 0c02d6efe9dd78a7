// Limits of memory: RLIMIT_AS, DATA, STACK, MEMLOCK and CORE, stack growth, what is locked and present.

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <thread>
#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

constexpr size_t kPage = 4096, kMega = 1 << 20;

void Limit(int resource, rlim_t value) {
  rlimit limit;
  EXPECT_OK(getrlimit((__rlimit_resource)resource, &limit));
  limit.rlim_cur = value;
  EXPECT_OK(setrlimit((__rlimit_resource)resource, &limit));
}

void* Try(size_t size, int protection = PROT_READ | PROT_WRITE, int flags = 0) {
  return mmap(nullptr, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

// A field of /proc/self/status, in kB.
long StatusKb(const char* name) {
  const std::string text = ReadAll("/proc/self/status");
  const size_t at = text.find(std::string("\n") + name + ":");
  return at == std::string::npos ? -1 : atol(text.c_str() + at + strlen(name) + 2);
}

void InChild(const std::function<void()>& body) {
  EXPECT_EQ(RunInChild([&] {
              body();
              return (int)Failed();
            }),
            0);
}

// Uses `pages` pages of stack.
__attribute__((noinline)) int UseStack(int pages) {
  volatile char frame[kPage];
  frame[0] = (char)pages;
  if (pages > 1) return UseStack(pages - 1) + frame[0];
  return frame[0];
}

}  // namespace

TEST(AddressSpaceIsCounted) {
  InChild([] {
    const size_t used = (size_t)StatusKb("VmSize") << 10;
    Limit(RLIMIT_AS, used + 16 * kMega);
    EXPECT_ERRNO(Try(17 * kMega), ENOMEM);
    void* m = EXPECT_OK(Try(15 * kMega));
    EXPECT_ERRNO(Try(2 * kMega), ENOMEM);
    EXPECT_ERRNO(Try(2 * kMega, PROT_NONE, MAP_NORESERVE), ENOMEM);
    EXPECT_ERRNO(mremap(m, 15 * kMega, 20 * kMega, MREMAP_MAYMOVE), ENOMEM);
    EXPECT_OK(munmap(m, 15 * kMega));
    EXPECT_OK(Try(2 * kMega));
    Limit(RLIMIT_AS, RLIM_INFINITY);
    EXPECT_OK(Try(64 * kMega));
  });
}

TEST(AddressSpaceAndTheBreak) {
  InChild([] {
    Limit(RLIMIT_AS, ((size_t)StatusKb("VmSize") << 10) + 4 * kMega);
    void* const before = sbrk(0);
    EXPECT_ERRNO(sbrk(8 * kMega), ENOMEM);
    EXPECT(sbrk(0) == before);
    EXPECT_OK(sbrk(2 * kMega));
  });
}

TEST(ChildrenInheritTheLimit) {
  InChild([] {
    Limit(RLIMIT_AS, ((size_t)StatusKb("VmSize") << 10) + 64 * kMega);
    InChild([] {
      EXPECT_ERRNO(Try(65 * kMega), ENOMEM);
      EXPECT_OK(Try(32 * kMega));
    });
  });
}

TEST(ThreadsDoNotCostTheGuestMore) {
  InChild([] {
    std::vector<std::thread> threads;
    threads.reserve(8);
    Limit(RLIMIT_AS, ((size_t)StatusKb("VmSize") << 10) + 192 * kMega);
    for (int i = 0; i < 8; i++) {
      pthread_attr_t attributes;
      pthread_attr_init(&attributes);
      pthread_attr_setstacksize(&attributes, 64 << 10);
      pthread_t thread;
      EXPECT_EQ(pthread_create(
                    &thread, &attributes, [](void*) -> void* { return nullptr; }, nullptr),
                0);
      pthread_join(thread, nullptr);
    }
    EXPECT_ERRNO(Try(193 * kMega), ENOMEM);
  });
}

HELPER(TryMapping) {
  (void)argc;
  return Try((size_t)atol(argv[1]) * kMega) == MAP_FAILED ? 3 : 4;
}

TEST(LimitSurvivesExec) {
  InChild([] {
    Limit(RLIMIT_AS, 512 * kMega);
    for (const char* size : {"600", "100"}) {
      const int status = RunInChild([&] {
        execl(SelfPath(), SelfPath(), "--helper", "TryMapping", size, nullptr);
        return 1;
      });
      EXPECT_EQ(WEXITSTATUS(status), atol(size) == 600 ? 3 : 4);
    }
  });
}

TEST(AnotherProcessSetsIt) {
  int ready[2], go[2];
  EXPECT_OK(pipe(ready));
  EXPECT_OK(pipe(go));
  const pid_t child = fork();
  if (child == 0) {
    char c = 0;
    (void)!write(ready[1], &c, 1);
    (void)!read(go[0], &c, 1);
    _exit(Try(1024 * kMega) == MAP_FAILED && errno == ENOMEM ? 0 : 1);
  }
  char c;
  EXPECT_EQ(read(ready[0], &c, 1), 1);
  rlimit limit = {512 * kMega, RLIM_INFINITY}, old;
  EXPECT_OK(prlimit(child, RLIMIT_AS, &limit, &old));
  EXPECT_EQ(old.rlim_cur, RLIM_INFINITY);
  EXPECT_EQ(write(go[1], &c, 1), 1);
  EXPECT_EQ(WaitStatus(child), 0);
  EXPECT_OK(Try(1024 * kMega));
}

TEST(CpuLimitOfAZombie) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info;
  EXPECT_OK(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
  const struct rlimit limit = {5, 6};
  EXPECT_OK(prlimit(child, RLIMIT_CPU, &limit, nullptr));
  struct rlimit now = {};
  EXPECT_OK(prlimit(child, RLIMIT_CPU, nullptr, &now));
  EXPECT_EQ(now.rlim_cur, 5u);
  EXPECT_EQ(WaitStatus(child), 0);
}

TEST(CpuLimitOfAnotherProcess) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) {
    }
  }
  const struct rlimit limit = {1, RLIM_INFINITY};
  EXPECT_OK(prlimit(child, RLIMIT_CPU, &limit, nullptr));
  const int status = WaitStatus(child);
  EXPECT(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGXCPU);
}

TEST(VforkChildLimitsOnlyItself) {
  const pid_t child = vfork();
  if (child == 0) {
    rlimit limit = {1 * kMega, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &limit);
    _exit(0);
  }
  EXPECT_EQ(WaitStatus(child), 0);
  EXPECT_OK(Try(8 * kMega));
}

TEST(DataLimit) {
  InChild([] {
    Limit(RLIMIT_DATA, ((size_t)StatusKb("VmData") << 10) + 8 * kMega);
    EXPECT_ERRNO(Try(16 * kMega), ENOMEM);
    void* readable = EXPECT_OK(Try(16 * kMega, PROT_READ));
    EXPECT_ERRNO(mprotect(readable, 16 * kMega, PROT_READ | PROT_WRITE), ENOMEM);
    EXPECT_OK(mmap(nullptr, 16 * kMega, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    EXPECT_ERRNO(sbrk(16 * kMega), ENOMEM);
    EXPECT_OK(Try(4 * kMega));
  });
}

TEST(TheStackGrows) {
  const long before = StatusKb("VmStk");
  EXPECT(before < 1024);
  UseStack(1000);
  EXPECT(StatusKb("VmStk") >= 4000);
}

TEST(TheStackEndsAtItsLimit) {
  InChild([] {
    Limit(RLIMIT_STACK, 2 * kMega);
    const int status = RunInChild([] {
      UseStack(300);
      return 7;
    });
    EXPECT_EQ(status, 7 << 8);
    const int died = RunInChild([] { return UseStack(1000) & 1; });
    EXPECT(WIFSIGNALED(died) && WTERMSIG(died) == SIGSEGV);
  });
}

TEST(TheLimitMayBeRaisedLater) {
  InChild([] {
    Limit(RLIMIT_STACK, 32 * kMega);
    UseStack(5000);
    EXPECT(StatusKb("VmStk") >= 20000);
  });
}

TEST(KernelWritesGrowTheStack) {
  const int fd = ASSERT_OK(open("/dev/zero", O_RDONLY));
  struct {
    __attribute__((noinline)) static void Read(int from) {
      volatile char* room = (volatile char*)__builtin_alloca(700 << 10);
      EXPECT_EQ(read(from, (void*)room, 600 << 10), 600 << 10);
      EXPECT_EQ(room[1000], 0);
      int fds[2];
      EXPECT_OK(pipe(fds));
    }
  } deep;
  deep.Read(fd);
  struct {
    __attribute__((noinline)) static void Stat() {
      char* room = (char*)__builtin_alloca(1500 << 10);
      EXPECT_OK(stat("/", (struct stat*)room));
      EXPECT(S_ISDIR(((struct stat*)room)->st_mode));
    }
  } deeper;
  deeper.Stat();
}

TEST(MainStackInMaps) {
  const std::string maps = ReadAll("/proc/self/maps");
  const size_t at = maps.find("[stack]");
  ASSERT(at != std::string::npos);
  const std::string line = maps.substr(maps.rfind('\n', at) + 1);
  unsigned long from, to;
  EXPECT_EQ(sscanf(line.c_str(), "%lx-%lx", &from, &to), 2);
  const unsigned long here = (unsigned long)__builtin_frame_address(0);
  EXPECT(here >= from && here < to);
  EXPECT(maps.find("[vdso]") != std::string::npos);
}

TEST(GrowsDown) {
  char* area = (char*)EXPECT_OK(Try(512 * kPage, PROT_NONE));
  EXPECT_OK(munmap(area, 512 * kPage));
  char* top = area + 511 * kPage;
  ASSERT(mmap(top, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0) ==
         top);
  for (int i = 0; i < 100; i++) top[-i * (long)kPage] = (char)i;
  EXPECT_EQ(top[-50 * (long)kPage], 50);
}

TEST(MappingsMoveFromRunToRun) {
  auto where = [](const char* what) {
    FILE* p = popen("cat /proc/self/maps", "r");
    char line[512];
    unsigned long found = 0;
    while (fgets(line, sizeof(line), p)) {
      if (strstr(line, what) && found == 0) found = strtoul(line, nullptr, 16);
    }
    pclose(p);
    return found;
  };
  for (const char* what : {"libc.so", "[stack]", "[heap]", "cat"}) {
    const unsigned long first = where(what);
    if (first == 0) continue;  // a static root
    bool moved = false;
    for (int i = 0; i < 3 && !moved; i++) moved = where(what) != first;
    EXPECT_EQ(std::string(moved ? "moved" : what), "moved");
  }
}

TEST(LockedMemoryIsCounted) {
  char* m = (char*)EXPECT_OK(Try(64 * kPage));
  EXPECT_OK(mlock(m, 16 * kPage));
  EXPECT_EQ(StatusKb("VmLck"), 64);
  unsigned char present[64];
  EXPECT_OK(mincore(m, 16 * kPage, present));
  for (int i = 0; i < 16; i++) EXPECT_EQ(present[i] & 1, 1);
  EXPECT_OK(mlock(m + 5, 1));
  EXPECT_EQ(StatusKb("VmLck"), 64);
  EXPECT_OK(munlock(m, 8 * kPage));
  EXPECT_EQ(StatusKb("VmLck"), 32);
  EXPECT_OK(munmap(m, 12 * kPage));
  EXPECT_EQ(StatusKb("VmLck"), 16);
  EXPECT_OK(mlock2(m + 16 * kPage, 4 * kPage, MLOCK_ONFAULT));
  EXPECT_EQ(StatusKb("VmLck"), 32);
  EXPECT_ERRNO(mlock2(m + 16 * kPage, kPage, 4), EINVAL);
  EXPECT_ERRNO(mlock(m, kPage), ENOMEM);
  EXPECT_OK(munlockall());
  EXPECT_EQ(StatusKb("VmLck"), 0);
}

TEST(LocksAreNotInherited) {
  char* m = (char*)EXPECT_OK(Try(4 * kPage));
  EXPECT_OK(mlock(m, 4 * kPage));
  InChild([] { EXPECT_EQ(StatusKb("VmLck"), 0); });
  EXPECT_EQ(StatusKb("VmLck"), 16);
}

TEST(LockLimitOfTheUnprivileged) {
  if (geteuid() != 0) Skip("needs root");
  InChild([] {
    Limit(RLIMIT_MEMLOCK, 16 * kPage);
    EXPECT_OK(setresuid(1000, 1000, 1000));
    char* m = (char*)EXPECT_OK(Try(64 * kPage));
    EXPECT_OK(mlock(m, 8 * kPage));
    EXPECT_ERRNO(mlock(m, 17 * kPage), ENOMEM);
    EXPECT_ERRNO(Try(16 * kPage, PROT_READ | PROT_WRITE, MAP_LOCKED), EAGAIN);
    EXPECT_ERRNO(mlockall(MCL_CURRENT), ENOMEM);
    EXPECT_OK(munlock(m, 8 * kPage));
    Limit(RLIMIT_MEMLOCK, 0);
    EXPECT_ERRNO(mlock(m, kPage), EPERM);
    EXPECT_ERRNO(mlockall(MCL_FUTURE), EPERM);
  });
}

TEST(LockFuture) {
  InChild([] {
    EXPECT_OK(mlockall(MCL_FUTURE));
    char* m = (char*)EXPECT_OK(Try(16 * kPage));
    unsigned char present[16];
    EXPECT_OK(mincore(m, 16 * kPage, present));
    for (int i = 0; i < 16; i++) EXPECT_EQ(present[i] & 1, 1);
    EXPECT_EQ(StatusKb("VmLck"), 64);
    EXPECT_OK(munlockall());
    EXPECT_ERRNO(mlockall(0), EINVAL);
    EXPECT_ERRNO(mlockall(MCL_ONFAULT), EINVAL);
    EXPECT_ERRNO(mlockall(64), EINVAL);
  });
}

TEST(Mincore) {
  char* m = (char*)EXPECT_OK(Try(4 * kPage));
  m[kPage] = 1;
  unsigned char present[4] = {9, 9, 9, 9};
  EXPECT_OK(mincore(m, 4 * kPage, present));
  EXPECT_EQ(present[0] & 1, 0);
  EXPECT_EQ(present[1] & 1, 1);
  EXPECT_ERRNO(mincore(m + 1, kPage, present), EINVAL);
  EXPECT_ERRNO(mincore(m, 4 * kPage, (unsigned char*)8), EFAULT);
  EXPECT_OK(munmap(m + 2 * kPage, kPage));
  EXPECT_ERRNO(mincore(m, 4 * kPage, present), ENOMEM);
}

TEST(CoreBitAndFile) {
  for (const rlim_t limit : {(rlim_t)0, (rlim_t)RLIM_INFINITY}) {
    unlink("core");
    const int status = RunInChild([=] {
      Limit(RLIMIT_CORE, limit);
      abort();
      return 0;
    });
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    const std::string pattern = ReadAll("/proc/sys/kernel/core_pattern");
    if (pattern != "core\n") Skip("cores go elsewhere");
    EXPECT_EQ((bool)WCOREDUMP(status), limit != 0);
    const std::string uses_pid = ReadAll("/proc/sys/kernel/core_uses_pid");
    if (uses_pid != "0\n") continue;
    const std::string core = access("core", F_OK) == 0 ? ReadAll("core") : "";
    EXPECT_EQ(core.substr(0, 4), limit != 0 ? "\177ELF" : "");
  }
}

namespace {

// The size of the core of a process with 4 MiB of its own memory and 8 MiB shared; -1: cores go elsewhere.
long CoreSizeWith(const char* filter) {
  if (ReadAll("/proc/sys/kernel/core_pattern") != "core\n") return -1;
  if (ReadAll("/proc/sys/kernel/core_uses_pid") != "0\n") return -1;
  unlink("core");
  const int status = RunInChild([=] {
    const int fd = open("/proc/self/coredump_filter", O_WRONLY);
    if (write(fd, filter, strlen(filter)) < 0) return 1;
    close(fd);
    void* const own = mmap(nullptr, 4 * kMega, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void* const shared = mmap(nullptr, 8 * kMega, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(own, 1, 4 * kMega);
    memset(shared, 1, 8 * kMega);
    Limit(RLIMIT_CORE, RLIM_INFINITY);
    abort();
  });
  EXPECT(WIFSIGNALED(status) && WCOREDUMP(status));
  struct stat st = {};
  EXPECT_OK(stat("core", &st));
  return st.st_size;
}

}  // namespace

TEST(CoreHasWhatTheFilterTakes) {
  const long none = CoreSizeWith("0");
  if (none < 0) Skip("cores go elsewhere");
  constexpr long kOwn = 4 << 20, kShared = 8 << 20;
  EXPECT(none < kOwn);
  const long own = CoreSizeWith("1"), shared = CoreSizeWith("2"), both = CoreSizeWith("0x33");
  EXPECT(own > kOwn && own < kShared);
  EXPECT(shared > kShared && shared < kShared + kOwn);
  EXPECT(both > kShared + kOwn);
}

TEST(NoCoreForOtherSignals) {
  const int status = RunInChild([] {
    Limit(RLIMIT_CORE, RLIM_INFINITY);
    raise(SIGTERM);
    return 0;
  });
  EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM && !WCOREDUMP(status));
}
