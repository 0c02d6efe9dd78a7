// When several arguments are bad, the error is the one Linux finds first.

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "tests/guest/file_util.h"
#include "tests/guest/harness.h"

using namespace guest;

namespace {

constexpr int kClosed = 500;
char* const kBeyond = reinterpret_cast<char*>(uint64_t{1} << 47);

struct Pipe {
  Pipe() { ASSERT_OK(pipe2(fds, O_NONBLOCK)); }
  int fds[2];
  int reader() const { return fds[0]; }
  int writer() const { return fds[1]; }
};

long Renameat2(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) {
  return syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

}  // namespace

TEST(EmptyPathBeforeTheDirectory) {
  EXPECT_ERRNO(openat(kClosed, "", O_RDONLY), ENOENT);
  EXPECT_ERRNO(mkdirat(kClosed, "", 0700), ENOENT);
  EXPECT_ERRNO(unlinkat(kClosed, "", 0), ENOENT);
  EXPECT_ERRNO(symlinkat("", kClosed, "x"), ENOENT);
  EXPECT_ERRNO(symlinkat("x", kClosed, ""), ENOENT);
  EXPECT_ERRNO(fchmodat(kClosed, "", 0700, 0), ENOENT);
  EXPECT_ERRNO(fchownat(kClosed, "", 0, 0, 0), ENOENT);
  EXPECT_ERRNO(faccessat(kClosed, "", R_OK, 0), ENOENT);
  struct stat st;
  EXPECT_ERRNO(fstatat(kClosed, "", &st, 0), ENOENT);
  EXPECT_ERRNO(fstatat(kClosed, "", &st, AT_EMPTY_PATH), EBADF);
}

TEST(FlagsBeforePaths) {
  EXPECT_ERRNO(Renameat2(kClosed, "x", kClosed, "y", 8), EINVAL);
  EXPECT_ERRNO(Renameat2(AT_FDCWD, kBeyond, AT_FDCWD, "y", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
  EXPECT_ERRNO(mknodat(kClosed, "x", S_IFLNK, 0), EINVAL);
  EXPECT_ERRNO(mknodat(kClosed, "x", S_IFDIR, 0), EPERM);
  EXPECT_ERRNO(flock(kClosed, 3), EINVAL);
  const timespec bad[2] = {{0, 1000000000}, {0, 0}};
  EXPECT_ERRNO(utimensat(AT_FDCWD, "missing", bad, 0), ENOENT);
  TempDir();
  Put("file", "");
  EXPECT_ERRNO(utimensat(AT_FDCWD, "file", bad, 0), EINVAL);
}

TEST(OffsetsOfStreams) {
  Pipe pipe;
  char byte = 0;
  iovec io{&byte, 1};
  EXPECT_ERRNO(pread(pipe.writer(), &byte, 1, 0), ESPIPE);
  EXPECT_ERRNO(pwrite(pipe.reader(), &byte, 1, 0), ESPIPE);
  EXPECT_ERRNO(pread(pipe.reader(), &byte, 1, -1), EINVAL);
  EXPECT_ERRNO(preadv2(pipe.reader(), &io, 1, 0, 1 << 20), ESPIPE);
  EXPECT_ERRNO(preadv2(pipe.reader(), &io, 1, -1, 1 << 20), EOPNOTSUPP);
  EXPECT_ERRNO(preadv2(kClosed, &io, 1, 0, 1 << 20), EBADF);
  off_t at = 0;
  EXPECT_ERRNO(sendfile(kClosed, pipe.reader(), &at, 1), ESPIPE);
  const int dir = ASSERT_OK(open("/", O_RDONLY | O_DIRECTORY));
  EXPECT_ERRNO(sendfile(pipe.writer(), dir, &at, 1), EINVAL);
  EXPECT_ERRNO(splice(pipe.reader(), &at, kClosed, nullptr, 1, 0), EBADF);
  EXPECT_ERRNO(splice(pipe.writer(), &at, pipe.reader(), nullptr, 1, 0), ESPIPE);
}

TEST(NothingToMove) {
  TempDir();
  const int dir = ASSERT_OK(open(".", O_RDONLY | O_DIRECTORY));
  Pipe pipe;
  iovec io{nullptr, 0};
  EXPECT_EQ(readv(dir, &io, 1), 0);
  EXPECT_EQ(readv(pipe.reader(), &io, 0), 0);
  EXPECT_EQ(preadv2(dir, &io, 1, 0, 1 << 20), 0);
  EXPECT_EQ(vmsplice(dir, &io, 1, 0), 0);
  EXPECT_ERRNO(readv(pipe.writer(), &io, 0), EBADF);
}

TEST(BuffersNobodyCanHave) {
  TempDir();
  const int dir = ASSERT_OK(open(".", O_RDONLY | O_DIRECTORY));
  Pipe pipe;
  EXPECT_ERRNO(read(dir, kBeyond, 1), EFAULT);
  EXPECT_ERRNO(read(pipe.reader(), kBeyond, 1), EFAULT);
  EXPECT_ERRNO(write(pipe.writer(), kBeyond, 0), EFAULT);
  EXPECT_ERRNO(read(pipe.writer(), kBeyond, 1), EBADF);
  EXPECT_ERRNO(sendto(kClosed, kBeyond, 1, 0, nullptr, 0), EFAULT);
}

TEST(CopyFileRangeChecks) {
  TempDir();
  Put("file", "text");
  const int dir = ASSERT_OK(open(".", O_RDONLY | O_DIRECTORY)), reader = ASSERT_OK(open("file", O_RDONLY));
  const int appender = ASSERT_OK(open("file", O_WRONLY | O_APPEND));
  Pipe pipe;
  EXPECT_ERRNO(copy_file_range(kClosed, nullptr, dir, nullptr, 1, 1), EBADF);
  EXPECT_ERRNO(copy_file_range(dir, nullptr, dir, nullptr, 1, 1), EINVAL);
  EXPECT_ERRNO(copy_file_range(dir, nullptr, dir, nullptr, 1, 0), EISDIR);
  EXPECT_ERRNO(copy_file_range(pipe.writer(), nullptr, pipe.reader(), nullptr, 1, 0), EINVAL);
  EXPECT_ERRNO(copy_file_range(reader, nullptr, reader, nullptr, 1, 0), EBADF);
  EXPECT_ERRNO(copy_file_range(reader, nullptr, appender, nullptr, 1, 0), EBADF);
}

TEST(WhatThereIsToCopyDoesNotOverlap) {
  TempDir();
  Put("empty", "");
  const int fd = ASSERT_OK(open("empty", O_RDWR));
  EXPECT_EQ(copy_file_range(fd, nullptr, fd, nullptr, 100, 0), 0);
  Put("file", "0123456789");
  const int file = ASSERT_OK(open("file", O_RDWR));
  off_t from = 5, to = 10;
  EXPECT_EQ(copy_file_range(file, &from, file, &to, 100, 0), 5);
  from = 5, to = 8;
  EXPECT_ERRNO(copy_file_range(file, &from, file, &to, 100, 0), EINVAL);
}

TEST(SyncedWritesOfPipes) {
  Pipe pipe;
  char byte = 0;
  iovec io{&byte, 1};
  EXPECT_EQ(pwritev2(pipe.writer(), &io, 1, -1, RWF_SYNC), 1);
}

TEST(AttributeNamesBeforeFiles) {
  TempDir();
  Put("file", "");
  Pipe pipe;
  char value[8];
  EXPECT_ERRNO(setxattr("missing", "", value, 1, 0), ERANGE);
  EXPECT_ERRNO(setxattr("missing", "user.x", value, 1, 4), EINVAL);
  EXPECT_ERRNO(setxattr("missing", "user.x", value, XATTR_SIZE_MAX + 1, 0), E2BIG);
  EXPECT_ERRNO(getxattr("missing", "", value, 1), ERANGE);
  EXPECT_ERRNO(removexattr("missing", ""), ERANGE);
  EXPECT_ERRNO(fsetxattr(kClosed, "", value, 1, 0), ERANGE);
  EXPECT_ERRNO(fgetxattr(pipe.reader(), "user.x", value, 1), ENODATA);
  EXPECT_ERRNO(fsetxattr(pipe.reader(), "user.x", value, 1, 0), EPERM);
  EXPECT_ERRNO(setxattr("file", "other", value, 1, 0), EOPNOTSUPP);
}

TEST(SocketArguments) {
  sockaddr_un name = {AF_UNIX, "nobody"};
  const auto* address = reinterpret_cast<sockaddr*>(&name);
  EXPECT_ERRNO(connect(kClosed, address, -1), EBADF);
  EXPECT_ERRNO(connect(1, address, -1), EINVAL);
  EXPECT_ERRNO(bind(1, address, -1), ENOTSOCK);
  EXPECT_ERRNO(accept4(kClosed, nullptr, nullptr, 1), EBADF);
  EXPECT_ERRNO(accept4(1, nullptr, nullptr, 1), EINVAL);
  EXPECT_ERRNO(setsockopt(kClosed, SOL_SOCKET, SO_REUSEADDR, &name, -1), EBADF);
  int fds[2];
  EXPECT_ERRNO(socketpair(99, SOCK_STREAM, 0, reinterpret_cast<int*>(kBeyond)), EFAULT);
  EXPECT_ERRNO(socketpair(AF_INET, SOCK_STREAM, 99, fds), EPROTONOSUPPORT);
  EXPECT_ERRNO(socketpair(AF_INET, SOCK_STREAM, 0, fds), EOPNOTSUPP);
  EXPECT_ERRNO(socket(AF_INET, SOCK_RAW, 0), EPROTONOSUPPORT);
  EXPECT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
  EXPECT_ERRNO(recv(fds[0], &name, 0, MSG_DONTWAIT), EAGAIN);
  epoll_event event;
  EXPECT_ERRNO(epoll_wait(kClosed, &event, 0, 0), EBADF);
  EXPECT_ERRNO(epoll_wait(1, &event, 0, 0), EINVAL);
}

// A pair of descriptors that the caller cannot be told of does not stay open.
TEST(NoDescriptorsAfterAFault) {
  const int before = ASSERT_OK(dup(0));
  close(before);
  auto* bad = reinterpret_cast<int*>(4096);
  EXPECT_ERRNO(pipe2(bad, 0), EFAULT);
  EXPECT_ERRNO(socketpair(AF_UNIX, SOCK_STREAM, 0, bad), EFAULT);
  const int after = ASSERT_OK(dup(0));
  EXPECT_EQ(after, before);
}

// Descriptors of anon_inodefs: an offset that stays 0, and nothing to read there.
TEST(EventDescriptorsAsFiles) {
  const int fd = ASSERT_OK(eventfd(0, EFD_NONBLOCK));
  uint64_t value[2] = {1, 1};
  EXPECT_EQ(lseek(fd, 5, SEEK_CUR), 0);
  EXPECT_ERRNO(pread(fd, value, 8, 0), ESPIPE);
  EXPECT_ERRNO(fsync(fd), EINVAL);
  EXPECT_EQ(write(fd, value, 8), 8);
  EXPECT_ERRNO(fcntl(fd, F_SETLEASE, 7), EINVAL);
  if (geteuid() == 0)
    EXPECT_EQ(RunInChild([] {
                if (setresuid(1000, 1000, 1000) != 0) return 1;
                struct stat st = {};
                return fstat(eventfd(0, 0), &st) == 0 && st.st_uid == 0 ? 0 : 2;
              }),
              0);
}

// A file that has no way to be read or written says so before it looks at anything else.
TEST(FilesWithoutReadOrWrite) {
  const int epoll = ASSERT_OK(epoll_create1(0)), timer = ASSERT_OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
  iovec nothing = {nullptr, 0};
  for (const int fd : {epoll, timer}) {
    EXPECT_ERRNO(write(fd, kBeyond, 8), EINVAL);
    EXPECT_ERRNO(write(fd, kBeyond, 0), EINVAL);
    EXPECT_ERRNO(writev(fd, &nothing, 1), EINVAL);
    EXPECT_ERRNO(writev(fd, (iovec*)kBeyond, 1), EINVAL);
  }
  EXPECT_ERRNO(read(epoll, kBeyond, 8), EINVAL);
  EXPECT_ERRNO(readv(epoll, &nothing, 1), EINVAL);
  EXPECT_EQ(readv(timer, &nothing, 1), 0);
  EXPECT_ERRNO(read(timer, kBeyond, 8), EFAULT);
}

TEST(FilesThatDoNotSplice) {
  Pipe pipe;
  const int event = ASSERT_OK(eventfd(1, EFD_NONBLOCK));
  EXPECT_ERRNO(splice(event, nullptr, pipe.writer(), nullptr, 8, 0), EINVAL);
  EXPECT_EQ(write(pipe.writer(), "12345678", 8), 8);
  EXPECT_ERRNO(splice(pipe.reader(), nullptr, event, nullptr, 8, 0), EINVAL);
}

// For ioctls: it takes the rights of both, and gives neither.
TEST(AccessModeOfNeither) {
  Put("f", "data");
  const int fd = ASSERT_OK(open("f", 3));
  char c;
  EXPECT_ERRNO(read(fd, &c, 1), EBADF);
  EXPECT_ERRNO(write(fd, "x", 1), EBADF);
  EXPECT_ERRNO(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0), EACCES);
  EXPECT_EQ(lseek(fd, 0, SEEK_END), 4);
  EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, 3);
  struct stat st;
  EXPECT_OK(fstat(fd, &st));
  EXPECT_ERRNO(ftruncate(fd, 0), EINVAL);
  EXPECT_OK(mkfifo("fifo", 0600));
  EXPECT_ERRNO(open("fifo", 3 | O_NONBLOCK), EINVAL);
}

TEST(LocksBeyondTheEndOfNumbers) {
  const int fd = ASSERT_OK(open("f", O_RDWR | O_CREAT, 0600));
  struct flock lock = {};
  lock.l_type = 7;
  lock.l_start = INT64_MAX;
  lock.l_len = 10;
  EXPECT_ERRNO(fcntl(fd, F_OFD_GETLK, &lock), EOVERFLOW);
  EXPECT_ERRNO(fcntl(fd, F_GETLK, &lock), EINVAL);
  EXPECT_ERRNO(fcntl(fd, F_SETLK, &lock), EOVERFLOW);
}

TEST(MapsOfNoKind) {
  EXPECT_ERRNO(mmap(nullptr, 0, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
  EXPECT_ERRNO(mmap(nullptr, SIZE_MAX, PROT_READ, MAP_ANONYMOUS, -1, 0), ENOMEM);
  EXPECT_ERRNO(mmap(nullptr, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
}

TEST(OptionsShorterThanANumber) {
  const int fd = ASSERT_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_ERRNO(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, kBeyond, 1), EINVAL);
  EXPECT_ERRNO(setsockopt(fd, SOL_SOCKET, 999, kBeyond, 0), EINVAL);
  EXPECT_ERRNO(setsockopt(fd, SOL_SOCKET, 999, kBeyond, 4), EFAULT);
}

TEST(RenamesLookForTheOldNameFirst) {
  const Pipe pipe;
  ASSERT_OK(close(open("file", O_CREAT | O_RDWR, 0600)));
  EXPECT_ERRNO(Renameat2(AT_FDCWD, "gone/x", pipe.reader(), "y", 0), ENOENT);
  EXPECT_ERRNO(Renameat2(AT_FDCWD, "file/x", AT_FDCWD, kBeyond, 0), ENOTDIR);
  EXPECT_ERRNO(Renameat2(AT_FDCWD, "file/x", AT_FDCWD, "", 0), ENOTDIR);
  EXPECT_ERRNO(Renameat2(AT_FDCWD, "file", pipe.reader(), "y", 0), ENOTDIR);
}

TEST(SendfileChecksBothFilesBeforeTheirKind) {
  const Pipe pipe;
  const int file = ASSERT_OK(open("file", O_CREAT | O_RDWR, 0600));
  const int reader = ASSERT_OK(open("file", O_RDONLY)), directory = ASSERT_OK(open(".", O_RDONLY));
  EXPECT_ERRNO(sendfile(reader, pipe.reader(), nullptr, 10), EBADF);  // not to be written
  EXPECT_ERRNO(sendfile(file, pipe.reader(), nullptr, 10), EINVAL);
  EXPECT_EQ(sendfile(file, directory, nullptr, 0), 0);
  EXPECT_ERRNO(sendfile(file, directory, nullptr, 10), EINVAL);
  off_t far = INT64_MAX;
  EXPECT_ERRNO(sendfile(pipe.writer(), file, &far, 10), EINVAL);
  off_t start = 0;
  EXPECT_ERRNO(sendfile(pipe.writer(), file, &start, SIZE_MAX), EINVAL);
}

TEST(SendfileWritesItsOffsetBackAnyway) {
  const Pipe pipe;
  auto* const offset = static_cast<off_t*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const int file = ASSERT_OK(open("file", O_CREAT | O_RDWR, 0600));
  EXPECT_ERRNO(sendfile(file, pipe.reader(), offset, 10), EFAULT);
  EXPECT_ERRNO(sendfile(kClosed, file, offset, 10), EFAULT);
}

TEST(MprotectLooksAtTheStartFirst) {
  char* const page = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  EXPECT_ERRNO(mprotect(page + 1, SIZE_MAX, PROT_READ), EINVAL);
  EXPECT_ERRNO(mprotect(page, SIZE_MAX, PROT_READ), ENOMEM);
  EXPECT_ERRNO(mprotect(page, SIZE_MAX, 0x100), ENOMEM);
  EXPECT_ERRNO(mprotect(page, 4096, 0x100), EINVAL);
  EXPECT_ERRNO(mprotect(page, SIZE_MAX, -1), EINVAL);
  EXPECT_OK(mprotect(page, 0, 0x100));
}

TEST(AdviceIsLookedAtBeforeTheLength) {
  char* const page = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  EXPECT_ERRNO(madvise(page, 0, 99), EINVAL);
  EXPECT_OK(madvise(page, 0, MADV_DONTNEED));
}

TEST(ReadaheadOfMoreThanAFileCanBe) {
  const int file = ASSERT_OK(open("file", O_CREAT | O_RDWR, 0600));
  EXPECT_ERRNO(readahead(file, 0, SIZE_MAX), EINVAL);
  EXPECT_OK(readahead(file, 0, 100));
}

TEST(OptionsOfALevelThatIsNotThere) {
  const int unix_socket = ASSERT_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_ERRNO(setsockopt(unix_socket, 6, 1, kBeyond, 4), EOPNOTSUPP);
  EXPECT_ERRNO(setsockopt(unix_socket, SOL_SOCKET, SO_REUSEADDR, kBeyond, 4), EFAULT);
}

TEST(NothingAtABadPlace) {
  EXPECT_ERRNO(syscall(SYS_poll, kBeyond, 0, 0), EFAULT);
  EXPECT_ERRNO(syscall(SYS_getrandom, kBeyond + 1, 0, 0), EFAULT);
}

TEST(OffsetsWithoutRoomForTheBytes) {
  const Pipe pipe;
  const int file = ASSERT_OK(open("file", O_CREAT | O_RDWR, 0600));
  loff_t far = INT64_MAX, none = -1, start = 0;
  EXPECT_ERRNO(splice(file, &far, pipe.writer(), nullptr, 100, 0), EINVAL);
  EXPECT_ERRNO(copy_file_range(file, &start, file, &none, 16, 0), EOVERFLOW);
  none = -100;
  EXPECT_ERRNO(copy_file_range(file, &start, file, &none, 16, 0), EINVAL);
}

TEST(LinksOfTheWorkingDirectory) {
  ASSERT_OK(mkdir("taken", 0700));
  EXPECT_ERRNO(linkat(AT_FDCWD, "", AT_FDCWD, "taken", AT_EMPTY_PATH), EEXIST);
  EXPECT_ERRNO(linkat(AT_FDCWD, "", AT_FDCWD, "new", AT_EMPTY_PATH), EPERM);
}

TEST(DirectIoOfWhatHasNone) {
  const Pipe pipe;
  const int event = ASSERT_OK(eventfd(0, 0));
  EXPECT_ERRNO(fcntl(event, F_SETFL, O_DIRECT), EINVAL);
  EXPECT_OK(fcntl(pipe.writer(), F_SETFL, O_DIRECT));
}

TEST(EmptyPathsOfFilesWithoutOne) {
  const Pipe pipe;
  char target[8];
  EXPECT_OK(fchownat(pipe.reader(), "", getuid(), -1, AT_EMPTY_PATH));
  EXPECT_OK(syscall(SYS_faccessat2, pipe.reader(), "", R_OK, AT_EMPTY_PATH));
  EXPECT_OK(utimensat(pipe.reader(), "", nullptr, AT_EMPTY_PATH));
  EXPECT_OK(futimens(pipe.reader(), nullptr));
  EXPECT_ERRNO(futimens(eventfd(0, 0), nullptr), EOPNOTSUPP);
  constexpr timespec kNoTimes[2] = {{0, 1'000'000'000}, {0, 0}};
  EXPECT_ERRNO(futimens(eventfd(0, 0), kNoTimes), EINVAL);
  EXPECT_ERRNO(readlinkat(pipe.reader(), "", target, sizeof(target)), ENOENT);
  EXPECT_ERRNO(readlinkat(pipe.reader(), "x", target, sizeof(target)), ENOTDIR);
}

TEST(FlagsOfADirectorysRead) {
  const int directory = ASSERT_OK(open(".", O_RDONLY));
  char byte;
  iovec vector{&byte, 1};
  EXPECT_ERRNO(preadv2(directory, &vector, 1, 0, RWF_NOWAIT), EOPNOTSUPP);
  EXPECT_ERRNO(preadv2(directory, &vector, 1, 0, 0), EISDIR);
  const Pipe pipe;
  EXPECT_ERRNO(splice(directory, nullptr, pipe.writer(), nullptr, 8, 0), EINVAL);
}

TEST(SealsOfMemoryFiles) {
  const int memfd = ASSERT_OK(memfd_create("m", 0));
  EXPECT_EQ(fcntl(memfd, F_GETFL), O_RDWR | 0100000);
  struct statfs system;
  EXPECT_OK(statfs("/dev/shm", &system));
  if (system.f_type != TMPFS_MAGIC) Skip("no tmpfs");
  const int file = ASSERT_OK(open("/dev/shm/sealed", O_CREAT | O_RDWR, 0600));
  EXPECT_OK(unlink("/dev/shm/sealed"));
  EXPECT_EQ(fcntl(file, F_GET_SEALS), F_SEAL_SEAL);
  EXPECT_ERRNO(fcntl(file, F_ADD_SEALS, F_SEAL_GROW), EPERM);
  EXPECT_ERRNO(fcntl(file, F_ADD_SEALS, 0x100000), EINVAL);
  EXPECT_ERRNO(fallocate(file, FALLOC_FL_ZERO_RANGE, 0, int64_t{1} << 50), EOPNOTSUPP);
}

TEST(NoPathWithEmptyPathIsOne) {
  struct stat here = {}, st = {};
  EXPECT_OK(stat(".", &here));
  if (syscall(SYS_newfstatat, AT_FDCWD, nullptr, &st, AT_EMPTY_PATH) != 0 && !InSandbox())
    Skip("not before Linux 6.11");
  EXPECT_EQ(st.st_ino, here.st_ino);
  EXPECT_ERRNO(syscall(SYS_newfstatat, AT_FDCWD, nullptr, &st, 0), EFAULT);
}
