// Mappings in detail: mremap's forms, madvise's advice, seals, other processes' memory, what /proc shows of it.

#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <vector>

#include "tests/guest/harness.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

using namespace guest;

namespace {

constexpr size_t kPage = 4096;

char* Map(size_t pages, int protection = PROT_READ | PROT_WRITE, int flags = MAP_PRIVATE | MAP_ANONYMOUS, int fd = -1,
          off_t offset = 0) {
  void* m = mmap(nullptr, pages * kPage, protection, flags, fd, offset);
  if (m == MAP_FAILED) {
    Fail(__FILE__, __LINE__, std::string("mmap: ") + strerror(errno));
    Stop();
  }
  return (char*)m;
}

bool IsPresent(char* page) {
  unsigned char present = 0;
  return mincore(page, kPage, &present) == 0 && (present & 1);
}

// How many of a mapping's pages a field of smaps says; -1 if there is no such mapping.
long SmapsKb(void* address, const char* field) {
  FILE* f = fopen("/proc/self/smaps", "r");
  char line[512];
  long found = -1;
  bool here = false;
  while (fgets(line, sizeof(line), f)) {
    unsigned long from, to;
    if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
      here = (unsigned long)address >= from && (unsigned long)address < to;
    } else if (here && strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':') {
      found = atol(line + strlen(field) + 1);
    }
  }
  fclose(f);
  return found;
}

bool IsMapped(void* address) {
  unsigned char present;
  return mincore(address, kPage, &present) == 0;
}

}  // namespace

TEST(MappingKeepsTheFileOpen) {
  TempDir();
  const int other = ASSERT_OK(open("file", O_RDWR | O_CREAT, 0600));
  ASSERT_OK(ftruncate(other, 8 * kPage));
  // A lock lasts as long as the open file description.
  const auto locked_mapping = [] {
    const int fd = ASSERT_OK(open("file", O_RDWR));
    ASSERT_OK(flock(fd, LOCK_EX));
    char* m = Map(4, PROT_READ, MAP_SHARED, fd);
    close(fd);
    return m;
  };
  const auto is_locked = [other] {
    if (flock(other, LOCK_EX | LOCK_NB) != 0) return errno == EWOULDBLOCK;
    flock(other, LOCK_UN);
    return false;
  };
  char* m = locked_mapping();
  EXPECT(is_locked());
  ASSERT_OK(munmap(m, 2 * kPage));
  EXPECT(is_locked());
  ASSERT_OK(munmap(m + 2 * kPage, 2 * kPage));
  EXPECT(!is_locked());

  m = locked_mapping();  // moved
  char* to = Map(4);
  EXPECT(mremap(m, 4 * kPage, 4 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
  EXPECT(is_locked());
  ASSERT_OK(munmap(to, 4 * kPage));
  EXPECT(!is_locked());

  m = locked_mapping();  // mapped over
  EXPECT(mmap(m, 4 * kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == m);
  EXPECT(!is_locked());

  m = locked_mapping();  // inherited
  int gone[2];
  ASSERT_OK(pipe(gone));
  const pid_t child = fork();
  if (child == 0) {
    close(gone[1]);
    char c;
    _exit((int)read(gone[0], &c, 1));
  }
  ASSERT_OK(munmap(m, 4 * kPage));
  EXPECT(is_locked());
  close(gone[0]), close(gone[1]);
  EXPECT_EQ(WaitStatus(child), 0);
  EXPECT(!is_locked());
}

TEST(ManyFilesMappedAndUnmapped) {
  TempDir();
  char name[32];
  for (int i = 0; i < 3000; i++) {
    snprintf(name, sizeof(name), "file-%d", i);
    const int fd = ASSERT_OK(open(name, O_RDWR | O_CREAT, 0600));
    ASSERT_OK(ftruncate(fd, kPage));
    char* m = Map(1, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    m[0] = (char)i;
    ASSERT_OK(msync(m, kPage, MS_SYNC));
    ASSERT_OK(munmap(m, kPage));
    EXPECT_EQ(pread(fd, name, 1, 0), 1);
    EXPECT_EQ(name[0], (char)i);
    close(fd);
    ASSERT_OK(unlink(("file-" + std::to_string(i)).c_str()));
  }
}

TEST(MsyncOfRanges) {
  TempDir();
  const int fd = ASSERT_OK(open("file", O_RDWR | O_CREAT, 0600));
  ASSERT_OK(ftruncate(fd, 4 * kPage));
  char* m = Map(4, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  memset(m, 'x', 4 * kPage);
  EXPECT_OK(msync(m, 4 * kPage, MS_SYNC));
  EXPECT_OK(msync(m, 1, MS_ASYNC));
  EXPECT_OK(msync(m, 0, MS_SYNC));
  EXPECT_ERRNO(msync(m + 1, kPage, MS_SYNC), EINVAL);
  EXPECT_ERRNO(msync(m, kPage, MS_SYNC | MS_ASYNC), EINVAL);
  EXPECT_ERRNO(msync(m, kPage, 8), EINVAL);
  EXPECT_OK(msync(m, kPage, MS_INVALIDATE));
  ASSERT_OK(mlock(m, kPage));
  EXPECT_ERRNO(msync(m, kPage, MS_INVALIDATE), EBUSY);
  ASSERT_OK(munmap(m + kPage, kPage));
  EXPECT_ERRNO(msync(m, 4 * kPage, MS_SYNC), ENOMEM);
  EXPECT_OK(msync(m + 2 * kPage, 2 * kPage, MS_SYNC));
  ASSERT_OK(mprotect(m, kPage, PROT_NONE));
  EXPECT_OK(msync(m, kPage, MS_SYNC));
}

TEST(LengthsThatWrap) {
  char* m = Map(1);
  constexpr size_t kToNothing = ~0ul, kBack = 0 - 2 * kPage;
  EXPECT_ERRNO(madvise(m, kToNothing, MADV_NORMAL), EINVAL);
  EXPECT_ERRNO(madvise(m, kBack, MADV_NORMAL), EINVAL);
  EXPECT_ERRNO(madvise(m, 1ul << 62, MADV_NORMAL), ENOMEM);
  EXPECT_OK(mlock(m + 1, kToNothing));
  EXPECT_ERRNO(mlock(m, kBack), EINVAL);
  EXPECT_OK(munlock(m, kToNothing));
  EXPECT_ERRNO(munlock(m + 1, kBack), EINVAL);
  EXPECT_ERRNO(munlock(m, 1ul << 62), ENOMEM);
  EXPECT_OK(msync(m, kToNothing, MS_SYNC));
  EXPECT_ERRNO(msync(m, kBack, MS_SYNC), ENOMEM);
  for (size_t length : {kToNothing, kBack, size_t{0}}) {
    EXPECT(mremap(m, kPage, length, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
    EXPECT(mremap(m, length, kPage, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
  }
}

// Nothing is there, also where the sandbox keeps something for itself.
TEST(NothingIsMappedWhereNothingWas) {
  for (char* free : {(char*)0x7dfbfff00000, (char*)0x300000000000}) {
    unsigned char present;
    EXPECT_ERRNO(madvise(free, kPage, MADV_NORMAL), ENOMEM);
    EXPECT_ERRNO(madvise(free, kPage, MADV_DONTNEED), ENOMEM);
    EXPECT_ERRNO(mincore(free, kPage, &present), ENOMEM);
    EXPECT_ERRNO(mlock(free, kPage), ENOMEM);
    EXPECT_ERRNO(munlock(free, kPage), ENOMEM);
    EXPECT_ERRNO(mprotect(free, kPage, PROT_READ), ENOMEM);
    EXPECT_ERRNO(msync(free, kPage, MS_SYNC), ENOMEM);
    EXPECT(mremap(free, kPage, 2 * kPage, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    EXPECT(mmap(free, kPage, PROT_READ, kFlags, -1, 0) == free);
    EXPECT(mmap(free, kPage, PROT_READ, kFlags, -1, 0) == MAP_FAILED && errno == EEXIST);
    EXPECT_OK(madvise(free, kPage, MADV_NORMAL));
    EXPECT_OK(munmap(free, kPage));
  }
}

TEST(MremapDontUnmap) {
  char* m = Map(4);
  memset(m, 'a', 4 * kPage);
  char* moved = (char*)mremap(m, 4 * kPage, 4 * kPage, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
  ASSERT(moved != MAP_FAILED);
  EXPECT(moved != m);
  EXPECT_EQ(moved[kPage], 'a');
  EXPECT_EQ(m[kPage], 0);
  EXPECT_ERRNO(mremap(m, 4 * kPage, 8 * kPage, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0), EINVAL);
}

TEST(MremapFixedReplaces) {
  char* m = Map(2);
  m[0] = 'x';
  char* target = Map(4);
  memset(target, 't', 4 * kPage);
  EXPECT(mremap(m, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target + kPage) == target + kPage);
  EXPECT_EQ(target[kPage], 'x');
  EXPECT_EQ(target[0], 't');
  EXPECT_EQ(target[3 * kPage], 't');
  EXPECT(!IsMapped(m));
  EXPECT_ERRNO(mremap(target, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target + kPage), EINVAL);
  EXPECT_ERRNO(mremap(target, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target + kPage + 1), EINVAL);
}

TEST(MremapDuplicatesShared) {
  char* m = Map(2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  m[kPage] = 's';
  char* again = (char*)mremap(m, 0, 2 * kPage, MREMAP_MAYMOVE);
  ASSERT(again != MAP_FAILED);
  EXPECT_EQ(again[kPage], 's');
  again[0] = 'z';
  EXPECT_EQ(m[0], 'z');
  EXPECT_ERRNO(mremap(Map(1), 0, kPage, MREMAP_MAYMOVE), EINVAL);
}

TEST(MremapGrowsInPlaceOnlyWhereThereIsRoom) {
  char* m = Map(4);
  EXPECT_OK(munmap(m + 2 * kPage, 2 * kPage));
  EXPECT(mremap(m, 2 * kPage, 3 * kPage, 0) == m);
  Map(1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
  mmap(m + 3 * kPage, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  mprotect(m + 3 * kPage, kPage, PROT_NONE);
  EXPECT_ERRNO(mremap(m, 3 * kPage, 8 * kPage, 0), ENOMEM);
  EXPECT_ERRNO(mremap(m, 3 * kPage, 4 * kPage, 0x80), EINVAL);
}

TEST(MadviseFree) {
  char* m = Map(4);
  memset(m, 'f', 4 * kPage);
  EXPECT_OK(madvise(m, 4 * kPage, MADV_FREE));
  for (int i = 0; i < 4; i++) EXPECT(m[i * kPage] == 'f' || m[i * kPage] == 0);
  m[0] = 'k';
  EXPECT_EQ(m[0], 'k');
  const int fd = open("f", O_RDWR | O_CREAT, 0600);
  EXPECT_OK(ftruncate(fd, kPage));
  EXPECT_ERRNO(madvise(Map(1, PROT_READ | PROT_WRITE, MAP_SHARED, fd), kPage, MADV_FREE), EINVAL);
}

TEST(MadviseRemove) {
  const int fd = ASSERT_OK(memfd_create("m", 0));
  EXPECT_OK(ftruncate(fd, 4 * kPage));
  char* m = Map(4, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  memset(m, 'r', 4 * kPage);
  EXPECT_OK(madvise(m + kPage, 2 * kPage, MADV_REMOVE));
  EXPECT_EQ(m[0], 'r');
  EXPECT_EQ(m[kPage], 0);
  char c;
  EXPECT_EQ(pread(fd, &c, 1, 2 * kPage), 1);
  EXPECT_EQ(c, 0);
  EXPECT_ERRNO(madvise(Map(1), kPage, MADV_REMOVE), EINVAL);
}

TEST(MadvisePopulate) {
  char* m = Map(8);
  EXPECT_OK(madvise(m, 4 * kPage, MADV_POPULATE_WRITE));
  for (int i = 0; i < 4; i++) EXPECT(IsPresent(m + i * kPage));
  EXPECT(!IsPresent(m + 4 * kPage));
  EXPECT_OK(madvise(m + 4 * kPage, kPage, MADV_POPULATE_READ));
  EXPECT_OK(mprotect(m, kPage, PROT_READ));
  EXPECT_ERRNO(madvise(m, kPage, MADV_POPULATE_WRITE), EINVAL);
  const int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
  EXPECT_ERRNO(madvise(Map(1, PROT_READ, MAP_SHARED, fd), kPage, MADV_POPULATE_READ), EFAULT);
}

TEST(MadviseForkRules) {
  char* gone = Map(1);
  char* wiped = Map(1);
  gone[0] = wiped[0] = 'p';
  EXPECT_OK(madvise(gone, kPage, MADV_DONTFORK));
  EXPECT_OK(madvise(wiped, kPage, MADV_WIPEONFORK));
  EXPECT_EQ(RunInChild([=] { return !IsMapped(gone) && wiped[0] == 0 ? 0 : 1; }), 0);
  EXPECT_EQ(wiped[0], 'p');
  EXPECT_OK(madvise(gone, kPage, MADV_DOFORK));
  EXPECT_OK(madvise(wiped, kPage, MADV_KEEPONFORK));
  EXPECT_EQ(RunInChild([=] { return gone[0] == 'p' && wiped[0] == 'p' ? 0 : 1; }), 0);
}

TEST(MadviseHints) {
  char* m = Map(16);
  memset(m, 'h', 16 * kPage);
  for (int advice : {MADV_COLD, MADV_PAGEOUT, MADV_DONTDUMP, MADV_DODUMP, MADV_HUGEPAGE, MADV_NOHUGEPAGE}) {
    EXPECT(madvise(m, 16 * kPage, advice) == 0 || errno == EINVAL);
  }
  for (int i = 0; i < 16; i++) EXPECT_EQ(m[i * kPage], 'h');
}

TEST(SealsHold) {
  const int fd = ASSERT_OK(memfd_create("m", MFD_ALLOW_SEALING));
  EXPECT_OK(ftruncate(fd, 2 * kPage));
  EXPECT_EQ(fcntl(fd, F_GET_SEALS), 0);
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
  EXPECT_ERRNO(ftruncate(fd, kPage), EPERM);
  EXPECT_OK(ftruncate(fd, 3 * kPage));
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  EXPECT_ERRNO(ftruncate(fd, 4 * kPage), EPERM);
  EXPECT_ERRNO(pwrite(fd, "x", 1, 3 * kPage), EPERM);
  char* m = Map(1, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  EXPECT_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
  EXPECT_OK(munmap(m, kPage));
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
  EXPECT_ERRNO(write(fd, "x", 1), EPERM);
  EXPECT_ERRNO(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
  EXPECT_OK(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  EXPECT_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPage), EPERM);
  EXPECT_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
  EXPECT_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  const int plain = ASSERT_OK(memfd_create("p", 0));
  EXPECT_EQ(fcntl(plain, F_GET_SEALS), F_SEAL_SEAL);
  EXPECT_ERRNO(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
  EXPECT_ERRNO(fcntl(open(".", O_RDONLY), F_GET_SEALS), EINVAL);
}

TEST(FutureWriteSeal) {
  const int fd = ASSERT_OK(memfd_create("m", MFD_ALLOW_SEALING));
  EXPECT_OK(ftruncate(fd, kPage));
  char* m = Map(1, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
  m[0] = 'w';
  EXPECT_ERRNO(write(fd, "x", 1), EPERM);
  EXPECT_ERRNO(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
  char* reader = Map(1, PROT_READ, MAP_SHARED, fd);
  EXPECT_EQ(reader[0], 'w');
  EXPECT_ERRNO(mprotect(reader, kPage, PROT_READ | PROT_WRITE), EACCES);
}

TEST(ProcessVmBothWays) {
  char* m = Map(4);
  strcpy(m, "mine");
  const pid_t child = fork();
  if (child == 0) {
    while (m[kPage] != 'w') SleepMs(1);
    _exit(strcmp(m + kPage, "written") == 0 ? 0 : 1);
  }
  char buffer[8] = {};
  iovec local = {buffer, 4}, remote = {m, 4};
  EXPECT_EQ(process_vm_readv(child, &local, 1, &remote, 1, 0), 4);
  EXPECT_EQ(std::string(buffer), "mine");
  iovec parts[2] = {{(void*)"rit", 3}, {(void*)"ten", 4}}, places[2] = {{m + kPage + 1, 5}, {m + kPage + 6, 2}};
  EXPECT_EQ(process_vm_writev(child, parts, 2, places, 2, 0), 7);
  iovec first = {(void*)"w", 1}, place = {m + kPage, 1};
  EXPECT_EQ(process_vm_writev(child, &first, 1, &place, 1, 0), 1);
  EXPECT_EQ(WaitStatus(child), 0);
  munmap(m + 3 * kPage, kPage);
  char big[2 * kPage];
  iovec whole = {big, sizeof(big)}, hole = {m + 2 * kPage, 2 * kPage};
  EXPECT_EQ(process_vm_readv(getpid(), &whole, 1, &hole, 1, 0), (ssize_t)kPage);
  hole.iov_base = m + 3 * kPage;
  EXPECT_ERRNO(process_vm_readv(getpid(), &whole, 1, &hole, 1, 0), EFAULT);
  EXPECT_ERRNO(process_vm_readv(getpid(), &whole, 1, &hole, 1, 1), EINVAL);
  EXPECT_ERRNO(process_vm_readv(999999, &local, 1, &remote, 1, 0), ESRCH);
}

TEST(ProcMem) {
  char* m = Map(2);
  strcpy(m, "seen through a file");
  const int fd = ASSERT_OK(open("/proc/self/mem", O_RDWR));
  char buffer[5] = {};
  EXPECT_EQ(pread(fd, buffer, 4, (off_t)m), 4);
  EXPECT_EQ(std::string(buffer), "seen");
  EXPECT_EQ(pwrite(fd, "SEEN", 4, (off_t)m), 4);
  EXPECT_EQ(memcmp(m, "SEEN", 4), 0);
  munmap(m, 2 * kPage);
  EXPECT_ERRNO(pread(fd, buffer, 4, (off_t)m), EIO);
}

TEST(SmapsCounts) {
  char* m = Map(64);
  for (int i = 0; i < 16; i++) m[i * kPage] = 1;
  EXPECT_EQ(SmapsKb(m, "Size"), 256);
  EXPECT(SmapsKb(m, "Rss") >= 64);
  EXPECT(SmapsKb(m, "Private_Dirty") >= 64);
  const std::string rollup = ReadAll("/proc/self/smaps_rollup");
  EXPECT(rollup.find("[rollup]") != std::string::npos);
  EXPECT(rollup.find("Rss:") != std::string::npos);
}

TEST(MapsNamesWhatIsMapped) {
  const int fd = open("a file", O_RDWR | O_CREAT, 0600);
  EXPECT_OK(ftruncate(fd, 8 * kPage));
  char* m = Map(2, PROT_READ, MAP_SHARED, fd, 3 * kPage);
  char* gone = Map(1, PROT_READ, MAP_PRIVATE, ASSERT_OK(memfd_create("name", 0)));
  char want[64];
  snprintf(want, sizeof(want), "%lx-%lx r--s 00003000 ", (long)m, (long)m + 2 * kPage);
  const std::string maps = ReadAll("/proc/self/maps");
  const size_t at = maps.find(want);
  ASSERT(at != std::string::npos);
  const std::string line = maps.substr(at, maps.find('\n', at) - at);
  EXPECT(line.size() > 7 && line.substr(line.size() - 7) == "/a file");
  snprintf(want, sizeof(want), "%lx-", (long)gone);
  const size_t other = maps.find(want);
  ASSERT(other != std::string::npos);
  EXPECT(maps.substr(other, maps.find('\n', other) - other).find("/memfd:name (deleted)") != std::string::npos);
}

TEST(Pagemap) {
  char* m = Map(4);
  m[kPage] = 1;
  const int fd = ASSERT_OK(open("/proc/self/pagemap", O_RDONLY));
  uint64_t entries[4] = {};
  EXPECT_EQ(pread(fd, entries, sizeof(entries), (off_t)((uint64_t)m / kPage * 8)), (ssize_t)sizeof(entries));
  EXPECT_EQ(entries[1] >> 63, 1u);
  EXPECT_EQ(entries[3] >> 63, 0u);
  EXPECT_ERRNO(pread(fd, entries, 8, 4), EINVAL);
  EXPECT_ERRNO(pread(fd, entries, 7, 0), EINVAL);
}

TEST(HugePagesAreNotThere) {
  void* m = mmap(nullptr, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
  EXPECT(m != MAP_FAILED || errno == ENOMEM);
}

// The permissions of the mapping that `at` is in, from /proc/self/maps.
std::string PermissionsAt(const void* at) {
  FILE* const maps = fopen("/proc/self/maps", "re");
  char line[512], permissions[8] = "";
  unsigned long start, end;
  while (fgets(line, sizeof(line), maps) != nullptr) {
    if (sscanf(line, "%lx-%lx %7s", &start, &end, permissions) != 3) continue;
    if (start <= (unsigned long)at && (unsigned long)at < end) break;
  }
  fclose(maps);
  return permissions;
}

TEST(ReadImpliesExec) {
  void* before = mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_EQ(personality(READ_IMPLIES_EXEC), 0);
  void* anonymous = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_EQ(PermissionsAt(anonymous), std::string("rwxp"));
  const int file = ASSERT_OK(open(SelfPath(), O_RDONLY));
  void* mapped = mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, file, 0);
  EXPECT_EQ(PermissionsAt(mapped), std::string("r-xp"));
  void* unreadable = mmap(nullptr, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_EQ(PermissionsAt(unreadable), std::string("---p"));
  EXPECT_OK(mprotect(unreadable, kPage, PROT_READ));
  EXPECT_EQ(PermissionsAt(unreadable), std::string("r-xp"));
  EXPECT_EQ(PermissionsAt(before), std::string("r--p"));
  EXPECT_EQ(RunInChild([] {
              void* m = mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return PermissionsAt(m) == "r-xp" ? 0 : 1;
            }),
            0);
}

HELPER(PrintPersonality) {
  (void)argc, (void)argv;
  printf("%x", personality(0xffffffff));
  return 0;
}

TEST(ReadImpliesExecEndsAtExec) {
  int fds[2];
  EXPECT_OK(pipe(fds));
  EXPECT_EQ(RunInChild([&] {
              personality(READ_IMPLIES_EXEC | ADDR_NO_RANDOMIZE);
              dup2(fds[1], 1);
              execl(SelfPath(), SelfPath(), "--helper", "PrintPersonality", nullptr);
              return 1;
            }),
            0);
  char text[32] = {};
  EXPECT(read(fds[0], text, sizeof(text) - 1) > 0);
  EXPECT_EQ(std::string(text), std::string("40000"));
}

TEST(PersonalityIsKeptAndInherited) {
  EXPECT_EQ(personality(0xffffffff), 0);
  EXPECT_EQ(personality(ADDR_NO_RANDOMIZE), 0);
  EXPECT_EQ(personality(0xffffffff), ADDR_NO_RANDOMIZE);
  EXPECT_EQ(RunInChild([] { return personality(0xffffffff) == ADDR_NO_RANDOMIZE ? 0 : 1; }), 0);
}

HELPER(PrintPlaces) {
  (void)argc, (void)argv;
  int local;
  printf("%p %p\n", (void*)&local, mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return 0;
}

TEST(NoRandomizationOnRequest) {
  auto places = [](bool fixed) {
    int fds[2];
    EXPECT_OK(pipe(fds));
    EXPECT_EQ(RunInChild([&] {
                if (fixed) personality(ADDR_NO_RANDOMIZE);
                dup2(fds[1], 1);
                execl(SelfPath(), SelfPath(), "--helper", "PrintPlaces", nullptr);
                return 1;
              }),
              0);
    char text[200] = {};
    EXPECT(read(fds[0], text, sizeof(text) - 1) > 0);
    close(fds[0]);
    close(fds[1]);
    return std::string(text);
  };
  EXPECT_EQ(places(true), places(true));
  EXPECT(places(false) != places(false));
}

TEST(SharedPastTheEndIsABusError) {
  const int fd = ASSERT_OK(memfd_create("m", 0));
  EXPECT_OK(ftruncate(fd, kPage));
  char* m = Map(2, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  const int status = RunInChild([=] {
    m[kPage] = 1;
    return 0;
  });
  EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
  EXPECT_OK(ftruncate(fd, 2 * kPage));
  m[kPage] = 1;
}

// Each line is of a mapping, by its start; files have the names that maps has.
TEST(NumaMapsNameTheMappings) {
  if (access("/proc/self/numa_maps", R_OK) != 0) Skip("a kernel without NUMA");
  const size_t size = 8 * 4096;
  char* const page = (char*)mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT(page != MAP_FAILED);
  memset(page, 1, size);
  const std::string maps = ReadAll("/proc/self/maps"), numa = ReadAll("/proc/self/numa_maps");
  char exe[PATH_MAX] = {};
  ASSERT(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
  const std::string file = std::string("file=") + exe;
  bool program = false, stack = false;
  for (size_t at = 0; at < numa.size(); at = numa.find('\n', at) + 1) {
    const std::string line = numa.substr(at, numa.find('\n', at) - at);
    EXPECT(maps.find(line.substr(0, line.find(' ')) + "-") != std::string::npos);
    program |= line.find(file) != std::string::npos;
    stack |= line.find(" stack ") != std::string::npos;
  }
  EXPECT(program);
  EXPECT(stack);
}

// The place is judged before the file.
TEST(ATakenPlaceIsSaidFirst) {
  const int dir = ASSERT_OK(open("/", O_RDONLY | O_DIRECTORY));
  char* const page = (char*)mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT(page != MAP_FAILED);
  const auto map = [&] { return mmap(page, kPage, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, dir, 0); };
  EXPECT(map() == MAP_FAILED && errno == EEXIST);
  EXPECT_OK(munmap(page, kPage));
  EXPECT(map() == MAP_FAILED && errno == ENODEV);
}
