// Memory calls against what the guest cannot see, and pointers to places that are not its own.

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <atomic>
#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kTop = 0x7ffffffff000;  // TASK_SIZE of a 64-bit process

struct Range {
  uint64_t start, end;
};

// Where /proc/self/maps shows nothing: whatever is there is not the guest's.
std::vector<Range> Gaps() {
  // Room for everything allocated from here on: a heap that grows later would grow into a gap.
  mallopt(M_TRIM_THRESHOLD, 1 << 26);
  mallopt(M_MMAP_THRESHOLD, 1 << 25);
  free(malloc(1 << 21));
  std::vector<Range> gaps;
  const std::string maps = ReadAll("/proc/self/maps");
  uint64_t last = 0x10000;
  for (size_t at = 0; at < maps.size(); at = maps.find('\n', at) + 1) {
    char* rest;
    const uint64_t start = strtoul(&maps[at], &rest, 16), end = strtoul(rest + 1, nullptr, 16);
    if (start >= kTop) break;
    // The stack grows down into the gap below it when a copy touches that.
    const bool stack = maps.substr(at, maps.find('\n', at) - at).ends_with("[stack]");
    const uint64_t gap_end = stack ? start - (64 << 20) : start;
    if (gap_end > last) gaps.push_back({last, gap_end});
    last = end;
  }
  if (last < kTop) gaps.push_back({last, kTop});
  return gaps;
}

// Addresses spread over everything that is not mapped for the guest: the ends and a grid between.
std::vector<uint64_t> ForeignAddresses() {
  std::vector<uint64_t> addresses;
  for (const Range& gap : Gaps()) {
    const uint64_t step = std::max<uint64_t>((gap.end - gap.start) / 64 & ~(kPage - 1), kPage);
    for (uint64_t at = gap.start; at < gap.end; at += step) {
      addresses.push_back(at);
      if (addresses.size() > 2000) return addresses;
    }
    addresses.push_back(gap.end - kPage);
  }
  return addresses;
}

bool StillAlive() {
  return syscall(SYS_getpid) == getpid() && syscall(7000) == -1 && errno == ENOSYS &&
         RunInChild([] { return 5; }) == 5 << 8;
}

const uint64_t kBadPointers[] = {0,          8,          kPage - 1,          kTop,       kTop + kPage,
                                 1ull << 47, 1ull << 63, 0xffffffff81000000, ~0ull - 15, ~0ull};

}  // namespace

TEST(UnmappingEverythingElse) {
  const int status = RunInChild([] {
    for (const Range& gap : Gaps()) munmap((void*)gap.start, gap.end - gap.start);
    return StillAlive() ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
  EXPECT(StillAlive());
}

TEST(UnmappingPageByPage) {
  EXPECT_EQ(RunInChild([] {
              for (uint64_t address : ForeignAddresses()) munmap((void*)address, kPage);
              return StillAlive() ? 0 : 1;
            }),
            0);
}

TEST(ProtectingEverythingElse) {
  EXPECT_EQ(RunInChild([] {
              for (uint64_t address : ForeignAddresses()) {
                for (int protection : {PROT_NONE, PROT_READ | PROT_WRITE | PROT_EXEC}) {
                  if (mprotect((void*)address, kPage, protection) == 0) return 1;  // nothing of ours is there
                }
              }
              return StillAlive() ? 0 : 2;
            }),
            0);
}

TEST(AdviceOnEverythingElse) {
  EXPECT_EQ(
      RunInChild([] {
        for (const Range& gap : Gaps()) {
          for (int advice : {MADV_DONTNEED, MADV_REMOVE, MADV_FREE, MADV_DONTFORK, MADV_WIPEONFORK, MADV_HWPOISON}) {
            madvise((void*)gap.start, gap.end - gap.start, advice);
          }
        }
        for (uint64_t address : ForeignAddresses()) madvise((void*)address, kPage, MADV_DONTNEED);
        return StillAlive() ? 0 : 1;
      }),
      0);
}

TEST(MovingEverythingElse) {
  EXPECT_EQ(RunInChild([] {
              void* target = mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              for (uint64_t address : ForeignAddresses()) {
                mremap((void*)address, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target);
                mremap((void*)address, kPage, 2 * kPage, MREMAP_MAYMOVE);
                mremap((void*)address, 0, kPage, MREMAP_MAYMOVE);
              }
              return StillAlive() ? 0 : 1;
            }),
            0);
}

TEST(MappingOverEverythingElse) {
  EXPECT_EQ(RunInChild([] {
              // A single page each, so that nothing but a refusal keeps hidden mappings whole.
              for (uint64_t address : ForeignAddresses()) {
                mmap((void*)address, kPage, PROT_READ | PROT_WRITE | PROT_EXEC,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
              }
              if (!StillAlive()) return 1;
              for (const Range& gap : Gaps()) {
                mmap((void*)gap.start, gap.end - gap.start, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
              }
              return StillAlive() ? 0 : 2;
            }),
            0);
}

TEST(MovingOntoEverythingElse) {
  EXPECT_EQ(RunInChild([] {
              for (uint64_t address : ForeignAddresses()) {
                void* page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                mremap(page, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, (void*)address);
              }
              return StillAlive() ? 0 : 1;
            }),
            0);
}

TEST(LengthsThatWrap) {
  for (uint64_t start : {kPage, kTop - kPage, 0x7e0000000000ul}) {
    for (uint64_t length : {~0ul, ~0ul - kPage + 1, 1ul << 63, (0ul - start), (0ul - start) + kPage}) {
      EXPECT(munmap((void*)start, length) == -1);
      EXPECT(mprotect((void*)start, length, PROT_NONE) == -1 || length == 0 || length > ~0ul - kPage);
      EXPECT(mmap((void*)start, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
      mremap((void*)start, length, kPage, MREMAP_MAYMOVE);
    }
  }
  EXPECT(StillAlive());
}

TEST(BeyondTheAddressSpace) {
  for (uint64_t address : {kTop, 1ul << 47, 1ul << 63, 0xffffffffff600000ul, ~0ul & ~(kPage - 1)}) {
    EXPECT(mmap((void*)address, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
    EXPECT(munmap((void*)address, kPage) == -1);
    void* hint = mmap((void*)address, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(hint != MAP_FAILED && (uint64_t)hint < kTop);
  }
}

TEST(PointersToNowhere) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  const int file = ASSERT_OK(open("f", O_RDWR | O_CREAT, 0600));
  EXPECT_EQ(write(file, "0123456789", 10), 10);
  EXPECT_EQ(write(fds[1], "0123456789", 10), 10);
  for (uint64_t bad : kBadPointers) {
    void* p = (void*)bad;
    EXPECT_ERRNO(pread(file, p, 10, 0), EFAULT);
    EXPECT_ERRNO(read(fds[0], p, 10), EFAULT);
    EXPECT_ERRNO(write(fds[1], p, 10), EFAULT);
    EXPECT_ERRNO(pwrite(file, p, 10, 0), EFAULT);
    EXPECT_ERRNO(syscall(SYS_open, p, 0), EFAULT);
    EXPECT_ERRNO(syscall(SYS_stat, "f", p), EFAULT);
    EXPECT_ERRNO(syscall(SYS_fstat, file, p), EFAULT);
    EXPECT_ERRNO(syscall(SYS_getcwd, p, 4096), EFAULT);
    EXPECT_ERRNO(syscall(SYS_uname, p), EFAULT);
    EXPECT_ERRNO(syscall(SYS_pipe, p), EFAULT);
    EXPECT_ERRNO(syscall(SYS_readv, fds[0], p, 1), EFAULT);
    EXPECT_ERRNO(syscall(SYS_getrandom, p, 16, 0), EFAULT);
    EXPECT_ERRNO(syscall(SYS_getdents64, open("/", O_RDONLY), p, 4096), EFAULT);
    EXPECT_ERRNO(syscall(SYS_execve, p, nullptr, nullptr), EFAULT);
    iovec io = {p, 10};
    EXPECT_ERRNO(readv(fds[0], &io, 1), EFAULT);
    if (bad == 0) continue;  // means "none" in what follows
    EXPECT_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, p, nullptr, 8), EFAULT);
    EXPECT_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, nullptr, p, 8), EFAULT);
    EXPECT_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, p, 8), EFAULT);
    EXPECT_ERRNO(syscall(SYS_sigaltstack, nullptr, p), EFAULT);
    EXPECT_ERRNO(syscall(SYS_clock_gettime, CLOCK_REALTIME, p), EFAULT);
    EXPECT_ERRNO(syscall(SYS_gettimeofday, p, nullptr), EFAULT);
    EXPECT_ERRNO(syscall(SYS_prlimit64, 0, 7, nullptr, p), EFAULT);
  }
}

TEST(PointersIntoEverythingElse) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  EXPECT_EQ(write(fds[1], "0123456789", 10), 10);
  int wrong = 0;
  for (uint64_t address : ForeignAddresses()) {
    char* p = (char*)address;
    wrong += read(fds[0], p, 10) != -1 || errno != EFAULT;
    wrong += write(fds[1], p, 10) != -1 || errno != EFAULT;
    wrong += syscall(SYS_uname, p) != -1 || errno != EFAULT;
    wrong += syscall(SYS_open, p, 0) != -1 || errno != EFAULT;
    wrong += syscall(SYS_futex, p, 1 /* WAKE */, 1, 0, 0, 0) > 0;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT(StillAlive());
}

TEST(StraddlingTheLastPage) {
  char* pages = (char*)mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_OK(munmap(pages + kPage, kPage));
  for (int room : {1, 2, 7, 8, 15, 100}) {
    char* at = pages + kPage - room;
    memset(at, 'x', room);
    EXPECT_ERRNO(syscall(SYS_open, at, 0), EFAULT);  // no end of string before the hole
    EXPECT_ERRNO(syscall(SYS_fstat, 0, at), EFAULT);
    EXPECT_ERRNO(syscall(SYS_uname, at), EFAULT);
    if (room < 32) EXPECT_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, at, nullptr, 8), EFAULT);
    at[room - 1] = '\0';
    EXPECT_ERRNO(syscall(SYS_open, at, 0), ENOENT);
  }
}

TEST(HugeLengths) {
  char c;
  const int zero = ASSERT_OK(open("/dev/zero", O_RDONLY));
  int fds[2];
  ASSERT_OK(pipe2(fds, O_NONBLOCK));
  for (uint64_t length : {~0ul, 1ul << 63, 1ul << 47, 1ul << 40}) {
    EXPECT(read(zero, nullptr, length) == -1);
    EXPECT(write(fds[1], (void*)8, length) == -1);
    EXPECT(syscall(SYS_getrandom, 8, length, 0) == -1);
    iovec io[2] = {{&c, 1}, {&c, length}};
    const ssize_t n = writev(fds[1], io, 2);
    EXPECT(n == -1 || n < 1 << 20);
  }
  EXPECT_ERRNO(syscall(SYS_execve, SelfPath(), (char*)kTop, nullptr), EFAULT);
}

TEST(UnmappedWhileTheKernelCopies) {
  static char* page;
  static std::atomic<bool> stop;
  page = (char*)mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        while (!stop) {
          mprotect(page, kPage, PROT_NONE);
          mprotect(page, kPage, PROT_READ | PROT_WRITE);
          mmap(page, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        }
        return nullptr;
      },
      nullptr);
  const int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
  int odd = 0;
  for (const double end = NowSeconds() + 2; NowSeconds() < end;) {
    for (int i = 0; i < 50; i++) {
      odd += read(zero, page, kPage) < 0 && errno != EFAULT;
      odd += write(null, page, kPage) < 0 && errno != EFAULT;
      odd += syscall(SYS_uname, page) < 0 && errno != EFAULT;
      odd += syscall(SYS_open, page, 0) >= 0 || (errno != EFAULT && errno != ENOENT);
    }
  }
  stop = true;
  pthread_join(thread, nullptr);
  EXPECT_EQ(odd, 0);
}

TEST(ChangingArgumentsWhileTheKernelReads) {
  static iovec io[2];
  static char buffer[100];
  static std::atomic<bool> stop;
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        for (unsigned i = 0; !stop; i++) {
          *(volatile uint64_t*)&io[0].iov_base = i & 1 ? (uint64_t)buffer : 8;
          *(volatile uint64_t*)&io[0].iov_len = i & 2 ? 100 : 1ul << 62;
        }
        return nullptr;
      },
      nullptr);
  const int null = open("/dev/null", O_WRONLY);
  for (const double end = NowSeconds() + 1; NowSeconds() < end;) {
    const ssize_t n = writev(null, io, 2);
    if (n < 0 && errno != EFAULT && errno != EINVAL) EXPECT_EQ(errno, EFAULT);
  }
  stop = true;
  pthread_join(thread, nullptr);
  EXPECT(StillAlive());
}

TEST(ManyMappingsAreBounded) {
  EXPECT_EQ(RunInChild([] {
              int count = 0;
              for (; count < 100000; count++) {
                const int protection = count % 2 ? PROT_READ : PROT_NONE;
                if (mmap(nullptr, kPage, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) break;
              }
              return count > 1000 && (count == 100000 || errno == ENOMEM) && syscall(SYS_getppid) > 0 ? 0 : 1;
            }),
            0);
  EXPECT(StillAlive());
}

TEST(MappingAtZero) {
  void* zero = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  EXPECT(zero == nullptr || errno == EPERM || errno == EACCES || errno == EINVAL || errno == ENOMEM);
}

// A core is as large as the memory, which may be of any size without being there.
TEST(EndlessCore) {
  if (!InSandbox()) Skip("the host's cores are its own affair");
  const pid_t child = fork();
  if (child == 0) {
    const rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &unlimited);
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (mmap(nullptr, 1ul << 44, PROT_READ, flags, -1, 0) == MAP_FAILED) _exit(9);
    abort();
  }
  EXPECT(Eventually([] { return access("core", F_OK) == 0; }, 30000));
  EXPECT_OK(kill(child, SIGKILL));
  EXPECT(WIFSIGNALED(WaitStatus(child)));
}
