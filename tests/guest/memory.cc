// Memory: mappings, protection, coherence with files, brk, mremap.

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <vector>

#include "tests/guest/harness.h"

using namespace guest;

namespace {

constexpr size_t kPage = 4096;

sigjmp_buf fault_jump;
siginfo_t fault;

void OnFault(int, siginfo_t* info, void*) {
  fault = *info;
  siglongjmp(fault_jump, 1);
}

// The signal that touching this byte raises, or 0.
int Touch(volatile char* address, bool write) {
  struct sigaction action = {}, old_segv, old_bus;
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, &old_segv);
  sigaction(SIGBUS, &action, &old_bus);
  volatile int signal = 0;
  if (sigsetjmp(fault_jump, 1) == 0) {
    if (write)
      *address = 1;
    else
      (void)*address;
  } else {
    signal = fault.si_signo;
  }
  sigaction(SIGSEGV, &old_segv, nullptr);
  sigaction(SIGBUS, &old_bus, nullptr);
  return signal;
}

char* Map(size_t size, int protection = PROT_READ | PROT_WRITE, int flags = MAP_PRIVATE | MAP_ANONYMOUS, int fd = -1,
          off_t offset = 0, void* where = nullptr) {
  void* address = mmap(where, size, protection, flags, fd, offset);
  if (address == MAP_FAILED) {
    Fail(__FILE__, __LINE__, std::string("mmap: ") + strerror(errno));
    Stop();
  }
  return static_cast<char*>(address);
}

int FileOf(const std::string& data) {
  const int fd = ASSERT_OK(open("f", O_RDWR | O_CREAT | O_TRUNC, 0600));
  EXPECT_EQ(write(fd, data.data(), data.size()), (ssize_t)data.size());
  return fd;
}

}  // namespace

TEST(AnonymousMemoryIsZero) {
  char* m = Map(16 * kPage);
  bool zero = true;
  for (size_t i = 0; i < 16 * kPage; i++) zero &= m[i] == 0;
  EXPECT(zero);
  m[0] = m[16 * kPage - 1] = 1;
  EXPECT_OK(munmap(m, 16 * kPage));
  EXPECT_EQ(Touch(m, false), SIGSEGV);
  EXPECT_EQ(fault.si_code, SEGV_MAPERR);
}

TEST(MmapErrors) {
  const int fd = FileOf("data");
  EXPECT_ERRNO(mmap(nullptr, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
  EXPECT_ERRNO(mmap(nullptr, kPage, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
  EXPECT_ERRNO(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, fd, 5), EINVAL);
  EXPECT_ERRNO(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, 999, 0), EBADF);
  EXPECT_ERRNO(mmap((void*)5, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
  EXPECT_ERRNO(mmap(nullptr, SIZE_MAX, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
  EXPECT_ERRNO(mmap(nullptr, 1ull << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
  const int read_only = open("f", O_RDONLY), write_only = open("f", O_WRONLY);
  EXPECT_ERRNO(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, read_only, 0), EACCES);
  EXPECT_ERRNO(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, write_only, 0), EACCES);
  EXPECT_ERRNO(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0), ENODEV);
  int fds[2];
  EXPECT_OK(pipe(fds));
  EXPECT_ERRNO(mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fds[0], 0), ENODEV);
}

TEST(FixedReplaces) {
  char* m = Map(4 * kPage);
  memset(m, 'a', 4 * kPage);
  char* middle = Map(kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, m + kPage);
  EXPECT(middle == m + kPage);
  EXPECT_EQ(m[kPage], 0);
  EXPECT_EQ(m[kPage - 1], 'a');
  EXPECT_EQ(m[2 * kPage], 'a');
  EXPECT_ERRNO(mmap(m, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
  char* hint = Map(kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, m);
  EXPECT(hint != m);
}

TEST(HolesByUnmapping) {
  char* m = Map(5 * kPage);
  memset(m, 'x', 5 * kPage);
  EXPECT_OK(munmap(m + kPage, kPage));
  EXPECT_OK(munmap(m + 3 * kPage, kPage));
  EXPECT_EQ(Touch(m, false), 0);
  EXPECT_EQ(Touch(m + kPage, false), SIGSEGV);
  EXPECT_EQ(Touch(m + 2 * kPage, true), 0);
  EXPECT_EQ(Touch(m + 3 * kPage, true), SIGSEGV);
  EXPECT_EQ(m[4 * kPage], 'x');
  EXPECT_OK(munmap(m, 5 * kPage));  // holes are no error
  EXPECT_ERRNO(munmap(m + 1, kPage), EINVAL);
  EXPECT_ERRNO(munmap(m, 0), EINVAL);
}

TEST(Protection) {
  char* m = Map(3 * kPage);
  EXPECT_OK(mprotect(m + kPage, kPage, PROT_READ));
  EXPECT_EQ(Touch(m + kPage, false), 0);
  EXPECT_EQ(Touch(m + kPage, true), SIGSEGV);
  EXPECT_EQ(fault.si_code, SEGV_ACCERR);
  EXPECT_EQ(Touch(m + 2 * kPage, true), 0);
  EXPECT_OK(mprotect(m + kPage, kPage, PROT_NONE));
  EXPECT_EQ(Touch(m + kPage, false), SIGSEGV);
  EXPECT_OK(mprotect(m, 3 * kPage, PROT_READ | PROT_WRITE));
  EXPECT_EQ(Touch(m + kPage, true), 0);
  EXPECT_ERRNO(mprotect(m + 1, kPage, PROT_READ), EINVAL);
  EXPECT_OK(munmap(m + kPage, kPage));
  EXPECT_ERRNO(mprotect(m, 3 * kPage, PROT_READ), ENOMEM);
  const int fd = open("f", O_RDONLY | O_CREAT, 0600);
  EXPECT_OK(ftruncate(open("f", O_RDWR), kPage));
  char* shared = Map(kPage, PROT_READ, MAP_SHARED, fd);
  EXPECT_ERRNO(mprotect(shared, kPage, PROT_READ | PROT_WRITE), EACCES);
}

TEST(ExecutableMemory) {
  char* m = Map(kPage, PROT_READ | PROT_WRITE);
  const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};  // mov $42,%eax; ret
  memcpy(m, code, sizeof(code));
  EXPECT_OK(mprotect(m, kPage, PROT_READ | PROT_EXEC));
  EXPECT_EQ(((int (*)())m)(), 42);
  EXPECT_OK(mprotect(m, kPage, PROT_READ | PROT_WRITE | PROT_EXEC));
  m[1] = 43;
  EXPECT_EQ(((int (*)())m)(), 43);
}

TEST(SelfModifyingSyscallCode) {
  unsigned char* m = (unsigned char*)Map(kPage, PROT_READ | PROT_WRITE | PROT_EXEC);
  const unsigned char code[] = {0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0x90, 0x90, 0xc3};
  for (int round = 0; round < 3; round++) {
    memcpy(m, code, sizeof(code));
    for (int i = 0; i < 100; i++) {
      if (((long (*)())m)() != getpid()) EXPECT(false);
    }
    m[1] = SYS_getppid;  // the number is rewritten, then the whole code is written anew
    EXPECT_EQ(((long (*)())m)(), (long)getppid());
  }
}

TEST(SharedFileCoherence) {
  const int fd = FileOf(std::string(3 * kPage, 'a'));
  char* m = Map(3 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  char buffer[10];
  m[10] = 'M';
  EXPECT_EQ(pread(fd, buffer, 1, 10), 1);
  EXPECT_EQ(buffer[0], 'M');
  EXPECT_EQ(pwrite(fd, "W", 1, 2 * kPage), 1);
  EXPECT_EQ(m[2 * kPage], 'W');
  char* other = Map(kPage, PROT_READ, MAP_SHARED, fd, kPage);
  m[kPage + 5] = 'O';
  EXPECT_EQ(other[5], 'O');
  EXPECT_OK(msync(m, kPage, MS_SYNC));
  const int status = RunInChild([=] {
    m[0] = 'C';
    return 0;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(m[0], 'C');
  close(fd);
  m[1] = 'D';  // the mapping keeps the file
  EXPECT_EQ(ReadAll("f").substr(0, 2), "CD");
}

TEST(WriteFromOwnMapping) {
  const int fd = FileOf(std::string(2 * kPage, 'z'));
  char* m = Map(2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  memset(m, 'y', 100);
  EXPECT_EQ(pwrite(fd, m, 100, kPage), 100);
  EXPECT_EQ(m[kPage + 99], 'y');
  EXPECT_EQ(pread(fd, m + 200, 50, 0), 50);
  EXPECT_EQ(m[249], 'y');
}

TEST(PrivateFileCopyOnWrite) {
  const int fd = FileOf(std::string(2 * kPage, 'a'));
  char* m = Map(2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
  m[0] = 'P';
  char buffer[2];
  EXPECT_EQ(pread(fd, buffer, 1, 0), 1);
  EXPECT_EQ(buffer[0], 'a');
  EXPECT_EQ(pwrite(fd, "new", 3, 0), 3);
  EXPECT_EQ(m[0], 'P');
  EXPECT_EQ(m[1], 'a');
  RunInChild([=] {
    m[5] = 'x';
    return 0;
  });
  EXPECT_EQ(m[5], 'a');
}

TEST(BusErrorPastTheEnd) {
  const int fd = FileOf("short");
  char* m = Map(3 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  EXPECT_EQ(m[4], 't');
  EXPECT_EQ(m[100], 0);
  EXPECT_EQ(Touch(m + kPage, false), SIGBUS);
  EXPECT_EQ(fault.si_code, BUS_ADRERR);
  EXPECT_OK(ftruncate(fd, 2 * kPage));
  EXPECT_EQ(Touch(m + kPage, true), 0);
  EXPECT_OK(ftruncate(fd, 0));
  EXPECT_EQ(Touch(m, false), SIGBUS);
  char buffer[10] = {};
  int fds[2];
  EXPECT_OK(pipe(fds));
  EXPECT_ERRNO(write(fds[1], m, 10), EFAULT);  // the kernel's copy meets the same hole
  EXPECT_EQ(write(fds[1], "0123456789", 10), 10);
  EXPECT_ERRNO(read(fds[0], m, 10), EFAULT);
  (void)buffer;
}

TEST(SharedAnonymousAcrossFork) {
  volatile int* shared = (volatile int*)Map(kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  *shared = 1;
  RunInChild([=] {
    *shared = 2;
    RunInChild([=] {
      *shared = *shared + 40;
      return 0;
    });
    return 0;
  });
  EXPECT_EQ(*shared, 42);
}

TEST(MapTmpfsAndMemfd) {
  const int fd = ASSERT_OK(memfd_create("m", 0));
  EXPECT_OK(ftruncate(fd, kPage));
  char* m = Map(kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  strcpy(m, "through the mapping");
  char buffer[20];
  EXPECT_EQ(pread(fd, buffer, 7, 0), 7);
  EXPECT_EQ(memcmp(buffer, "through", 7), 0);
  EXPECT_EQ(pwrite(fd, "T", 1, 0), 1);
  EXPECT_EQ(m[0], 'T');
}

TEST(Mremap) {
  char* m = Map(4 * kPage);
  strcpy(m, "moved");
  m[kPage] = 'k';
  char* grown = (char*)mremap(m, 4 * kPage, 64 * kPage, MREMAP_MAYMOVE);
  ASSERT(grown != MAP_FAILED);
  EXPECT_EQ(std::string(grown), "moved");
  EXPECT_EQ(grown[63 * kPage], 0);
  char* shrunk = (char*)mremap(grown, 64 * kPage, kPage, 0);
  EXPECT(shrunk == grown);
  EXPECT_EQ(Touch(grown + kPage, false), SIGSEGV);
  char* target = Map(2 * kPage);
  char* placed = (char*)mremap(shrunk, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target);
  EXPECT(placed == target);
  EXPECT_EQ(std::string(target), "moved");
  EXPECT_EQ(Touch(shrunk, false), SIGSEGV);
  EXPECT_ERRNO(mremap(target + 1, kPage, kPage, MREMAP_MAYMOVE), EINVAL);
  EXPECT_ERRNO(mremap(shrunk, kPage, kPage, MREMAP_MAYMOVE), EFAULT);
  EXPECT_ERRNO(mremap(target, kPage, 0, MREMAP_MAYMOVE), EINVAL);
  EXPECT_ERRNO(mremap(target, kPage, kPage, MREMAP_FIXED, m), EINVAL);
}

TEST(MremapOfFiles) {
  const int fd = FileOf(std::string(4 * kPage, 'f'));
  char* m = Map(kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  char* grown = (char*)mremap(m, kPage, 4 * kPage, MREMAP_MAYMOVE);
  ASSERT(grown != MAP_FAILED);
  EXPECT_EQ(grown[3 * kPage], 'f');
  grown[3 * kPage] = 'G';
  char c;
  EXPECT_EQ(pread(fd, &c, 1, 3 * kPage), 1);
  EXPECT_EQ(c, 'G');
}

TEST(Brk) {
  char* start = (char*)sbrk(0);
  EXPECT(sbrk(10 * kPage) == start);
  memset(start, 'b', 10 * kPage);
  EXPECT(sbrk(-5 * (long)kPage) == start + 10 * kPage);
  EXPECT(sbrk(5 * kPage) == start + 5 * kPage);
  EXPECT_EQ(start[7 * kPage], 0);  // given back memory comes again as zeros
  EXPECT_EQ(syscall(SYS_brk, 0), (long)sbrk(0));
  EXPECT_EQ(syscall(SYS_brk, 1), (long)sbrk(0));  // nonsense changes nothing
}

TEST(BrkOfAChildIsItsOwn) {
  char* start = (char*)sbrk(4 * kPage);
  start[0] = 'p';
  EXPECT_EQ(RunInChild([&] {
              const bool inherited = sbrk(0) == start + 4 * kPage && start[0] == 'p';
              return inherited && sbrk(4 * kPage) == start + 4 * kPage && sbrk(-8 * (long)kPage) != (void*)-1 ? 0 : 1;
            }),
            0);
  EXPECT(sbrk(0) == start + 4 * kPage);
  EXPECT_EQ(start[0], 'p');
}

TEST(BrkIsLimited) {
  char* start = (char*)sbrk(kPage);
  EXPECT_EQ(RunInChild([&] {
              rlimit limit = {1 << 20, RLIM_INFINITY};
              if (setrlimit(RLIMIT_DATA, &limit) != 0) return 1;
              if (sbrk(8 << 20) != (void*)-1 || errno != ENOMEM) return 2;
              if (sbrk(0) != start + kPage) return 3;
              if (sbrk(-(long)kPage) != start + kPage) return 4;  // less is always allowed
              limit.rlim_cur = RLIM_INFINITY;
              return setrlimit(RLIMIT_DATA, &limit) == 0 && sbrk(8 << 20) == start ? 0 : 5;
            }),
            0);
}

TEST(BrkStopsAtAMapping) {
  char* start = (char*)sbrk(0);
  char* next = (char*)(((unsigned long)start + 4 * kPage) & ~(kPage - 1));
  ASSERT(mmap(next, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == next);
  EXPECT(sbrk(16 * kPage) == (void*)-1 && errno == ENOMEM);
  EXPECT(sbrk(0) == start);
  EXPECT(sbrk(kPage) == start);
  ASSERT_OK(munmap(next, kPage));
  EXPECT(sbrk(16 * kPage) == start + kPage);
}

TEST(Madvise) {
  char* m = Map(4 * kPage);
  memset(m, 'x', 4 * kPage);
  EXPECT_OK(madvise(m + kPage, kPage, MADV_DONTNEED));
  EXPECT_EQ(m[kPage], 0);
  EXPECT_EQ(m[2 * kPage], 'x');
  for (int advice : {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED}) {
    EXPECT_OK(madvise(m, kPage, advice));
  }
  EXPECT_ERRNO(madvise(m + 1, kPage, MADV_DONTNEED), EINVAL);
  EXPECT_ERRNO(madvise(m, kPage, 9999), EINVAL);
  munmap(m + kPage, kPage);
  EXPECT_ERRNO(madvise(m, 4 * kPage, MADV_NORMAL), ENOMEM);
  const int fd = FileOf(std::string(kPage, 'f'));
  char* p = Map(kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
  p[0] = 'x';
  EXPECT_OK(madvise(p, kPage, MADV_DONTNEED));
  EXPECT_EQ(p[0], 'f');
}

TEST(LargeReservation) {
  const size_t size = 1ull << 40;
  char* m = (char*)mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT(m != MAP_FAILED);
  EXPECT_OK(mprotect(m + (size / 2), kPage, PROT_READ | PROT_WRITE));
  m[size / 2] = 1;
  EXPECT_EQ(Touch(m, false), SIGSEGV);
  EXPECT_OK(munmap(m, size));
}

TEST(ManySmallMappings) {
  std::vector<char*> maps;
  for (int i = 0; i < 2000; i++) {
    char* m = Map(kPage, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE);
    maps.push_back(m);
  }
  for (int i = 0; i < 2000; i += 2) maps[i][7] = (char)i;
  bool right = true;
  for (int i = 0; i < 2000; i += 2) right &= maps[i][7] == (char)i;
  EXPECT(right);
  for (char* m : maps) EXPECT_OK(munmap(m, kPage));
}

TEST(AddressSpaceLimit) {
  const int status = RunInChild([] {
    rlimit limit = {256 << 20, 256 << 20};
    EXPECT_OK(setrlimit(RLIMIT_AS, &limit));
    EXPECT_ERRNO(mmap(nullptr, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
    EXPECT_OK(mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    return (int)Failed();
  });
  EXPECT_EQ(status, 0);
}

TEST(KernelCopiesRespectProtection) {
  char* m = Map(2 * kPage);
  int fds[2];
  EXPECT_OK(pipe(fds));
  EXPECT_OK(mprotect(m + kPage, kPage, PROT_NONE));
  EXPECT_EQ(write(fds[1], m + kPage - 10, 10), 10);
  EXPECT_ERRNO(write(fds[1], m + kPage, 10), EFAULT);
  EXPECT_OK(mprotect(m, kPage, PROT_READ));
  EXPECT_ERRNO(read(fds[0], m, 5), EFAULT);
  EXPECT_ERRNO(pipe((int*)m), EFAULT);
  EXPECT_EQ(read(fds[0], fault.si_addr ? (void*)&fault : (void*)&fault, 5), 5);
}

TEST(PartialCopiesStopAtTheHole) {
  const int fd = FileOf(std::string(100, 'p'));
  char* m = Map(2 * kPage);
  munmap(m + kPage, kPage);
  const ssize_t n = pread(fd, m + kPage - 10, 50, 0);
  EXPECT(n == 10 || (n == -1 && errno == EFAULT));
  lseek(fd, 0, SEEK_SET);
  const ssize_t written = write(fd, m + kPage - 10, 50);
  EXPECT(written == 10 || (written == -1 && errno == EFAULT));
}

TEST(GrowingStack) {
  struct Deep {
    static int Go(int depth) {
      volatile char frame[4000];
      frame[depth % 4000] = 1;
      return depth == 0 ? frame[0] : Go(depth - 1) + frame[depth % 4000];
    }
  };
  EXPECT_EQ(Deep::Go(1500), 1501);
}

TEST(MincoreAndMlock) {
  char* m = Map(2 * kPage);
  unsigned char in_core[2] = {};
  m[0] = 1;
  if (mincore(m, 2 * kPage, in_core) == 0) EXPECT_EQ(in_core[0] & 1, 1);
  EXPECT_OK(mlock(m, kPage));
  EXPECT_OK(munlock(m, kPage));
  munmap(m, 2 * kPage);
  EXPECT_ERRNO(mlock(m, kPage), ENOMEM);
}

TEST(ProcessVmReadv) {
  char source[] = "remote bytes", copy[sizeof(source)] = {};
  const pid_t child = fork();
  if (child == 0) {
    source[0] = 'R';
    for (;;) pause();
  }
  iovec local = {copy, sizeof(copy)}, remote = {source, sizeof(source)};
  const bool served = Eventually(
      [&] { return process_vm_readv(child, &local, 1, &remote, 1, 0) == (ssize_t)sizeof(copy) && copy[0] == 'R'; },
      500);
  kill(child, SIGKILL);
  if (!served && errno == ENOSYS) Skip("no process_vm_readv");
  EXPECT_EQ(std::string(copy), "Remote bytes");
}
