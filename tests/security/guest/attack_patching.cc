// Call sites that change, vanish or are entered in the middle while threads run through them: an engine
// that rewrites code must never be noticed by it.

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <functional>
#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

constexpr size_t kPage = 4096;
constexpr int kHot = 50;     // calls after which any site is surely rewritten, if ever
constexpr size_t kSite = 5;  // offset of the syscall instruction in both kinds of function

using Function = long (*)();

// mov $number, %eax; syscall; ret; padding
void PutReturn(unsigned char* at, int number) {
  const unsigned char code[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90};
  memcpy(at, code, sizeof(code));
  memcpy(at + 1, &number, sizeof(number));
}

// mov $number, %eax; syscall; cmp $-4095, %rax; ret
void PutCompare(unsigned char* at, int number) {
  const unsigned char code[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3};
  memcpy(at, code, sizeof(code));
  memcpy(at + 1, &number, sizeof(number));
}

unsigned char* WritablePages(size_t count, void* where = nullptr) {
  void* pages = mmap(where, count * kPage, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | (where != nullptr ? MAP_FIXED : 0), -1, 0);
  ASSERT(pages != MAP_FAILED);
  return static_cast<unsigned char*>(pages);
}

void MakeCode(void* pages, size_t count) { ASSERT(mprotect(pages, count * kPage, PROT_READ | PROT_EXEC) == 0); }

long Call(const unsigned char* code) { return reinterpret_cast<Function>(const_cast<unsigned char*>(code))(); }

// What a jump to the instruction after the call returns with `rax` in its register.
long EnterAfterCall(const unsigned char* code, long rax) {
  __asm__ volatile("sub $128, %%rsp; call *%1; add $128, %%rsp"
                   : "+a"(rax)
                   : "r"(code + kSite + 2)
                   : "memory", "cc", "rcx", "r11");
  return rax;
}

bool IsRewritten(const unsigned char* code) { return code[kSite] == 0xe9; }

// Runs `body` on `count` threads that start together; true if it was true on all.
bool OnThreads(int count, const std::function<bool(int)>& body) {
  struct Shared {
    const std::function<bool(int)>* body;
    std::atomic<int> index{0}, waiting;
    std::atomic<bool> good{true};
  } shared;
  shared.body = &body;
  shared.waiting = count;
  std::vector<pthread_t> threads(count);
  for (pthread_t& thread : threads) {
    const int made = pthread_create(
        &thread, nullptr,
        [](void* raw) -> void* {
          Shared& s = *static_cast<Shared*>(raw);
          const int index = s.index++;
          s.waiting--;
          while (s.waiting > 0) sched_yield();
          if (!(*s.body)(index)) s.good = false;
          return nullptr;
        },
        &shared);
    if (made != 0) abort();
  }
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  return shared.good;
}

thread_local sigjmp_buf escape;
std::atomic<int> other_signals{0};

void Escape(int signal) {
  if (signal != SIGSEGV) other_signals++;
  siglongjmp(escape, 1);
}

}  // namespace

// Where an address leaves no room for a thunk in reach, a site stays as it is: another page is tried.
TEST(SitesAreRewritten) {
  bool are_rewritten = false;
  for (int page = 0; page < 4 && !are_rewritten; page++) {
    unsigned char* code = WritablePages(1);
    PutReturn(code, SYS_getpid);
    PutCompare(code + 512, 7000);
    MakeCode(code, 1);
    for (int i = 0; i < kHot; i++) {
      if (Call(code) != getpid() || Call(code + 512) != -ENOSYS) EXPECT(false);
    }
    are_rewritten = IsRewritten(code) && IsRewritten(code + 512);
  }
  const char* platform = getenv("RUNSC_PLATFORM");
  if (!InSandbox() || (platform != nullptr && strcmp(platform, "ptrace") == 0)) Skip("nothing rewrites code");
  EXPECT(are_rewritten);  // else the tests below prove nothing
}

TEST(ManyThreadsMeetAtAFreshSite) {
  constexpr int kThreads = 4;
  // Every position in a cache line, and one across the end of a page.
  unsigned char* code = WritablePages(2);
  std::vector<unsigned char*> functions;
  for (size_t at = 0; at + 65 < kPage - 64; at += 65) functions.push_back(code + at);
  functions.push_back(code + kPage - kSite - 1);
  for (size_t i = 0; i < functions.size(); i++) {
    (i % 2 ? PutReturn : PutCompare)(functions[i], i % 3 ? SYS_getpid : 7000);
  }
  MakeCode(code, 2);
  const long pid = getpid();
  EXPECT(OnThreads(kThreads, [&](int) {
    bool good = true;
    for (size_t i = 0; i < functions.size(); i++) {
      for (int k = 0; k < 20; k++) good &= Call(functions[i]) == (i % 3 ? pid : -ENOSYS);
    }
    return good;
  }));
}

TEST(TheMiddleIsEnteredWhileTheSiteIsRewritten) {
  unsigned char* code = WritablePages(1);
  constexpr size_t kCount = kPage / 64;
  for (size_t i = 0; i < kCount; i++) (i % 2 ? PutReturn : PutCompare)(code + i * 64, SYS_getpid);
  MakeCode(code, 1);
  const long pid = getpid();
  EXPECT(OnThreads(3, [&](int index) {
    bool good = true;
    for (size_t i = 0; i < kCount; i++) {
      for (long k = 0; k < 40; k++) {
        const unsigned char* function = code + i * 64;
        good &= index == 0 ? Call(function) == pid : EnterAfterCall(function, 1000 + k) == 1000 + k;
      }
    }
    return good;
  }));
}

TEST(ACompilerRewritesTheNumberMeanwhile) {
  unsigned char* code = WritablePages(1);
  PutReturn(code, SYS_getpid);
  PutCompare(code + 64, SYS_getpid);
  MakeCode(code, 1);
  const long pid = getpid(), ppid = getppid();
  std::atomic<bool> done{false};
  EXPECT(OnThreads(3, [&](int index) {
    bool good = true;
    if (index > 0) {
      while (!done) {
        const long a = Call(code), b = Call(code + 64);
        good &= (a == pid || a == ppid) && (b == pid || b == ppid);
      }
      return good;
    }
    for (int round = 0; round < 1500; round++) {
      // Always executable; writable for a moment. The store faults if somebody takes that back.
      good &= mprotect(code, kPage, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
      const unsigned char number = round % 2 ? SYS_getpid : SYS_getppid;
      __atomic_store_n(code + 1, number, __ATOMIC_SEQ_CST);
      __atomic_store_n(code + 65, number, __ATOMIC_SEQ_CST);
      good &= mprotect(code, kPage, PROT_READ | PROT_EXEC) == 0;
    }
    done = true;
    return good;
  }));
}

TEST(WholePagesAreRewritten) {
  unsigned char* code = WritablePages(1);
  const long pid = getpid(), ppid = getppid();
  for (int round = 0; round < 100; round++) {
    ASSERT(mprotect(code, kPage, PROT_READ | PROT_WRITE) == 0);
    memset(code, 0xcc, kPage);
    const size_t shift = static_cast<size_t>(round % 9);  // old sites lie in the middle of new ones
    (round % 2 ? PutReturn : PutCompare)(code + shift, round % 3 ? SYS_getpid : SYS_getppid);
    MakeCode(code, 1);
    for (int i = 0; i < 10; i++) {
      if (Call(code + shift) != (round % 3 ? pid : ppid)) EXPECT(false);
    }
  }
}

TEST(SitesVanishUnderTheirCallers) {
  EXPECT_EQ(RunInChild([] {
              unsigned char* code = WritablePages(2);
              struct sigaction action = {};
              action.sa_handler = Escape;
              action.sa_flags = SA_NODEFER;
              for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGTRAP}) sigaction(signal, &action, nullptr);
              const long pid = getpid();
              std::atomic<bool> done{false};
              std::atomic<long> served{0};
              const bool good = OnThreads(3, [&](int index) {
                volatile bool right = true;  // lives across the jump
                while (index > 0 && !done) {
                  if (sigsetjmp(escape, 0) != 0) continue;
                  if (Call(code + 16) != pid || Call(code + kPage - kSite - 1) != pid) right = false;
                  served++;
                }
                for (int round = 0; index == 0 && round < 400; round++) {
                  if (round % 2) munmap(code, 2 * kPage);
                  WritablePages(2, code);
                  PutReturn(code + 16, SYS_getpid);
                  PutCompare(code + kPage - kSite - 1, SYS_getpid);  // on both pages
                  MakeCode(code, 2);
                  const long before = served;
                  for (int i = 0; i < 50 && served < before + 20; i++) sched_yield();
                }
                done = true;
                return right;
              });
              return good && served > 0 && other_signals == 0 ? 0 : 1;
            }),
            0);
}

TEST(SharedCodeIsLeftAlone) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "code", 0));
  ASSERT(fd >= 0 && ftruncate(fd, kPage) == 0);
  auto* writable = static_cast<unsigned char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  PutReturn(writable, SYS_getpid);
  auto* code = static_cast<unsigned char*>(mmap(nullptr, kPage, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
  ASSERT(writable != MAP_FAILED && code != MAP_FAILED);
  for (int i = 0; i < kHot; i++) {
    if (Call(code) != getpid()) EXPECT(false);
  }
  EXPECT(!IsRewritten(writable));
  writable[1] = SYS_getppid;  // and still follows its owner
  EXPECT_EQ(Call(code), (long)getppid());
}

TEST(FilesAreLeftAlone) {
  TempDir();
  const int fd = open("code", O_RDWR | O_CREAT | O_TRUNC, 0600);
  unsigned char bytes[kPage] = {}, now[kPage];
  PutReturn(bytes, SYS_getpid);
  ASSERT(fd >= 0 && write(fd, bytes, kPage) == (ssize_t)kPage);
  auto* code = static_cast<unsigned char*>(mmap(nullptr, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
  ASSERT(code != MAP_FAILED);
  for (int i = 0; i < kHot; i++) {
    if (Call(code) != getpid()) EXPECT(false);
  }
  EXPECT(pread(fd, now, kPage, 0) == (ssize_t)kPage && memcmp(now, bytes, kPage) == 0);
  auto* other = static_cast<unsigned char*>(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, fd, 0));
  EXPECT(other != MAP_FAILED && memcmp(other, bytes, kPage) == 0);
}

TEST(ForksWhileSitesAreRewritten) {
  constexpr size_t kCount = 240;
  unsigned char* code = WritablePages(4);
  for (size_t i = 0; i < kCount; i++) PutReturn(code + i * 65, SYS_getuid);
  MakeCode(code, 4);
  const long uid = getuid();
  const auto all = [&] {
    bool good = true;
    for (size_t i = 0; i < kCount; i++) {
      for (int k = 0; k < 4; k++) good &= Call(code + i * 65) == uid;
    }
    return good;
  };
  EXPECT(OnThreads(3, [&](int index) {
    bool good = true;
    for (int round = 0; index == 0 && round < 12; round++) good &= RunInChild([&] { return all() ? 0 : 1; }) == 0;
    return good & all();
  }));
}
