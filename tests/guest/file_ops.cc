// Files: renameat2, O_TMPFILE, O_PATH, openat2, statx, fallocate, copies between files, positional I/O flags.

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include <set>
#include <vector>

#include "tests/guest/file_util.h"
#include "tests/guest/harness.h"

#ifndef FALLOC_FL_KEEP_SIZE
#include <linux/falloc.h>
#endif

using namespace guest;

namespace {

long OpenHow(int dir, const char* path, uint64_t flags, uint64_t resolve, uint64_t mode = 0) {
  open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
  return syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

std::string At(int fd, off_t offset, size_t size) {
  std::string text(size, '\0');
  const ssize_t n = pread(fd, text.data(), size, offset);
  text.resize(n > 0 ? n : 0);
  return text;
}

int Exchange(const char* a, const char* b, unsigned flags) { return renameat2(AT_FDCWD, a, AT_FDCWD, b, flags); }

}  // namespace

TEST(RenameExchange) {
  Put("a", "A");
  Put("b", "BB");
  mkdir("d", 0755);
  Put("d/x", "X");
  EXPECT_OK(Exchange("a", "b", RENAME_EXCHANGE));
  EXPECT_EQ(ReadAll("a"), "BB");
  EXPECT_EQ(ReadAll("b"), "A");
  EXPECT_OK(Exchange("a", "d", RENAME_EXCHANGE));
  EXPECT_EQ(ReadAll("a/x"), "X");
  EXPECT_EQ(ReadAll("d"), "BB");
  EXPECT_ERRNO(Exchange("a", "none", RENAME_EXCHANGE), ENOENT);
  EXPECT_ERRNO(Exchange("a", "b", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
  EXPECT_ERRNO(Exchange("a", "b", 0x80), EINVAL);
  EXPECT_ERRNO(Exchange("b", "d", RENAME_NOREPLACE), EEXIST);
  EXPECT_OK(Exchange("b", "e", RENAME_NOREPLACE));
  EXPECT_ERRNO(Exchange("a", "a/sub", RENAME_EXCHANGE), ENOENT);
  mkdir("a/sub", 0755);
  EXPECT_ERRNO(Exchange("a", "a/sub", RENAME_EXCHANGE), EINVAL);
}

TEST(RenameWhiteout) {
  Put("a", "A");
  if (Exchange("a", "b", RENAME_WHITEOUT) != 0) {
    EXPECT(errno == EINVAL || errno == EPERM);
    Skip("no whiteouts here");
  }
  struct stat st;
  EXPECT_OK(lstat("a", &st));
  EXPECT(S_ISCHR(st.st_mode));
  EXPECT_EQ(st.st_rdev, makedev(0, 0));
  EXPECT_EQ(ReadAll("b"), "A");
  EXPECT(open("a", O_RDONLY) == -1 && (errno == ENXIO || errno == EACCES));  // nodev, mode 0
  EXPECT_OK(unlink("a"));
  Put("c", "C");
  EXPECT_OK(Exchange("b", "c", RENAME_WHITEOUT));
  EXPECT_EQ(ReadAll("c"), "A");
  EXPECT_ERRNO(Exchange("b", "c", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
  EXPECT_ERRNO(Exchange("c", "b", RENAME_WHITEOUT | RENAME_NOREPLACE), EEXIST);
}

TEST(TmpfileAndLink) {
  const int fd = open(".", O_TMPFILE | O_RDWR, 0640);
  if (fd < 0 && errno == EOPNOTSUPP) Skip("no O_TMPFILE here");
  ASSERT_OK(fd);
  EXPECT_EQ(write(fd, "hidden", 6), 6);
  struct stat st;
  EXPECT_OK(fstat(fd, &st));
  EXPECT_EQ(st.st_nlink, 0u);
  EXPECT_EQ(st.st_mode & 07777, 0640u);
  char proc[64];
  snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
  EXPECT_OK(linkat(AT_FDCWD, proc, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  EXPECT_EQ(ReadAll("named"), "hidden");
  EXPECT_OK(fstat(fd, &st));
  EXPECT_EQ(st.st_nlink, 1u);
  EXPECT_OK(linkat(fd, "", AT_FDCWD, "second", AT_EMPTY_PATH));
  EXPECT_OK(unlink("named"));
  EXPECT_OK(unlink("second"));
  EXPECT_ERRNO(linkat(AT_FDCWD, proc, AT_FDCWD, "late", AT_SYMLINK_FOLLOW), ENOENT);
  close(fd);
  const int never = ASSERT_OK(open(".", O_TMPFILE | O_WRONLY | O_EXCL, 0600));
  snprintf(proc, sizeof(proc), "/proc/self/fd/%d", never);
  EXPECT_ERRNO(linkat(AT_FDCWD, proc, AT_FDCWD, "never", AT_SYMLINK_FOLLOW), ENOENT);
  EXPECT_ERRNO(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
  EXPECT_ERRNO(open("none", O_TMPFILE | O_RDWR, 0600), ENOENT);
  Put("file", "");
  EXPECT_ERRNO(open("file", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
}

TEST(PathDescriptors) {
  Put("f", "data");
  symlink("f", "l");
  mkdir("d", 0700);
  const int fd = ASSERT_OK(open("f", O_PATH));
  char c;
  EXPECT_ERRNO(read(fd, &c, 1), EBADF);
  EXPECT_ERRNO(write(fd, "x", 1), EBADF);
  EXPECT_ERRNO(lseek(fd, 0, SEEK_SET), EBADF);
  EXPECT_ERRNO(ftruncate(fd, 0), EBADF);
  EXPECT_ERRNO(fchmod(fd, 0600), EBADF);
  EXPECT_ERRNO(fchown(fd, 0, 0), EBADF);
  EXPECT_ERRNO(fsync(fd), EBADF);
  EXPECT_ERRNO(ioctl(fd, FIONREAD, &c), EBADF);
  EXPECT_ERRNO((long)mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0), EBADF);
  EXPECT_ERRNO(fcntl(fd, F_SETFL, O_APPEND), EBADF);
  EXPECT_EQ(fcntl(fd, F_GETFL), O_PATH);
  struct stat st;
  EXPECT_OK(fstat(fd, &st));
  EXPECT_EQ(st.st_size, 4);
  pollfd p = {fd, POLLIN, 0};
  EXPECT_EQ(poll(&p, 1, 0), 1);
  EXPECT_EQ(p.revents, POLLNVAL);
  const int link = ASSERT_OK(open("l", O_PATH | O_NOFOLLOW));
  EXPECT_OK(fstat(link, &st));
  EXPECT(S_ISLNK(st.st_mode));
  char target[8];
  EXPECT_EQ(readlinkat(link, "", target, 8), 1);
  char proc[64];
  snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
  const int again = EXPECT_OK(open(proc, O_RDWR));
  EXPECT_EQ(read(again, &c, 1), 1);
  const int dir = ASSERT_OK(open("d", O_PATH | O_DIRECTORY));
  EXPECT_OK(openat(dir, "x", O_CREAT | O_WRONLY, 0600));
  EXPECT_OK(fchdir(dir));
  EXPECT_OK(access("x", F_OK));
  char entries[1024];
  EXPECT_ERRNO(syscall(SYS_getdents64, dir, entries, sizeof(entries)), EBADF);
  EXPECT_OK(dup(fd));
  EXPECT_ERRNO(open("x", O_PATH | O_DIRECTORY), ENOTDIR);
}

TEST(ResolveFlags) {
  mkdir("top", 0755);
  mkdir("top/in", 0755);
  Put("top/in/f", "f");
  Put("outside", "o");
  symlink("in/f", "top/rel");
  symlink("/etc", "top/abs");
  symlink("../outside", "top/escape");
  symlink("/in/f", "top/rooted");
  const int top = ASSERT_OK(open("top", O_RDONLY | O_DIRECTORY));
  EXPECT_OK(OpenHow(top, "in/f", O_RDONLY, RESOLVE_BENEATH));
  EXPECT_OK(OpenHow(top, "rel", O_RDONLY, RESOLVE_BENEATH));
  EXPECT_OK(OpenHow(top, "in/../in/f", O_RDONLY, RESOLVE_BENEATH));
  EXPECT_ERRNO(OpenHow(top, "../outside", O_RDONLY, RESOLVE_BENEATH), EXDEV);
  EXPECT_ERRNO(OpenHow(top, "escape", O_RDONLY, RESOLVE_BENEATH), EXDEV);
  EXPECT_ERRNO(OpenHow(top, "abs/passwd", O_RDONLY, RESOLVE_BENEATH), EXDEV);
  EXPECT_ERRNO(OpenHow(top, "/etc", O_RDONLY, RESOLVE_BENEATH), EXDEV);
  EXPECT_OK(OpenHow(top, "rooted", O_RDONLY, RESOLVE_IN_ROOT));
  EXPECT_OK(OpenHow(top, "/in/f", O_RDONLY, RESOLVE_IN_ROOT));
  EXPECT_OK(OpenHow(top, "../../in/f", O_RDONLY, RESOLVE_IN_ROOT));
  EXPECT_ERRNO(OpenHow(top, "escape", O_RDONLY, RESOLVE_IN_ROOT), ENOENT);
  EXPECT_ERRNO(OpenHow(top, "rel", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
  EXPECT_OK(OpenHow(top, "rel", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS));
  EXPECT_ERRNO(OpenHow(AT_FDCWD, "/proc/self/exe", O_RDONLY, RESOLVE_NO_MAGICLINKS), ELOOP);
  EXPECT_ERRNO(OpenHow(AT_FDCWD, "/proc/self/fd/0", O_RDONLY, RESOLVE_NO_MAGICLINKS), ELOOP);
  EXPECT_OK(OpenHow(top, "rel", O_RDONLY, RESOLVE_NO_MAGICLINKS));
  EXPECT_ERRNO(OpenHow(AT_FDCWD, "/proc/self/status", O_RDONLY, RESOLVE_NO_XDEV), EXDEV);
  EXPECT_OK(OpenHow(top, "in/f", O_RDONLY, RESOLVE_NO_XDEV));
  EXPECT_ERRNO(OpenHow(top, "in/f", O_RDONLY, RESOLVE_BENEATH | RESOLVE_IN_ROOT), EINVAL);
  EXPECT_ERRNO(OpenHow(top, "in/f", O_RDONLY, 1 << 20), EINVAL);
  EXPECT_ERRNO(OpenHow(top, "in/f", O_RDONLY, 0, 0600), EINVAL);
  EXPECT_ERRNO(OpenHow(top, "in/f", 1ull << 40, 0), EINVAL);
  EXPECT_OK(OpenHow(top, "new", O_CREAT | O_RDWR, RESOLVE_BENEATH, 0600));
}

TEST(OpenHowSizes) {
  Put("f", "");
  struct {
    open_how how;
    uint64_t more;
  } big = {{.flags = O_RDONLY, .mode = 0, .resolve = 0}, 0};
  EXPECT_OK(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof(big)));
  big.more = 1;
  EXPECT_ERRNO(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof(big)), E2BIG);
  EXPECT_ERRNO(syscall(SYS_openat2, AT_FDCWD, "f", &big, 8), EINVAL);
  EXPECT_ERRNO(syscall(SYS_openat2, AT_FDCWD, "f", &big, 8192), E2BIG);
  EXPECT_ERRNO(syscall(SYS_openat2, AT_FDCWD, "f", 8, sizeof(open_how)), EFAULT);
}

TEST(Statx) {
  timespec before;
  clock_gettime(CLOCK_REALTIME_COARSE, &before);
  Put("f", "12345");
  struct statx stx;
  ASSERT_OK(statx(AT_FDCWD, "f", 0, STATX_ALL | STATX_MNT_ID, &stx));
  EXPECT_EQ(stx.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
  EXPECT(stx.stx_mask & STATX_BTIME);
  EXPECT(stx.stx_btime.tv_sec >= before.tv_sec - 1);
  EXPECT(stx.stx_btime.tv_sec <= stx.stx_mtime.tv_sec);
  EXPECT(stx.stx_mask & STATX_MNT_ID);
  EXPECT_EQ(stx.stx_size, 5u);
  struct statx dir, proc;
  ASSERT_OK(statx(AT_FDCWD, ".", 0, STATX_MNT_ID, &dir));
  EXPECT_EQ(stx.stx_mnt_id, dir.stx_mnt_id);
  ASSERT_OK(statx(AT_FDCWD, "/proc", 0, STATX_MNT_ID, &proc));
  EXPECT(proc.stx_mnt_id != dir.stx_mnt_id);
  EXPECT(proc.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT);
  EXPECT(proc.stx_attributes & STATX_ATTR_MOUNT_ROOT);
  EXPECT(!(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT));
  EXPECT(ReadAll("/proc/self/mountinfo").find(std::to_string(proc.stx_mnt_id) + " ") != std::string::npos);
  EXPECT_ERRNO(statx(AT_FDCWD, "f", 0x8000, STATX_ALL, &stx), EINVAL);
  EXPECT_ERRNO(statx(AT_FDCWD, "f", 0, 1u << 31, &stx), EINVAL);
  EXPECT_ERRNO(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_ALL, &stx), EINVAL);
  EXPECT_ERRNO(statx(AT_FDCWD, "", 0, STATX_ALL, &stx), ENOENT);
  EXPECT_OK(statx(open("f", O_RDONLY), "", AT_EMPTY_PATH, STATX_ALL, &stx));
  EXPECT_EQ(stx.stx_size, 5u);
}

TEST(FallocateModes) {
  const int fd = ASSERT_OK(open("f", O_RDWR | O_CREAT, 0600));
  struct stat st;
  EXPECT_OK(fallocate(fd, 0, 0, 10000));
  fstat(fd, &st);
  EXPECT_EQ(st.st_size, 10000);
  EXPECT(st.st_blocks >= 24);
  EXPECT_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
  fstat(fd, &st);
  EXPECT_EQ(st.st_size, 10000);
  EXPECT_OK(ftruncate(fd, 0));
  std::string data(16384, 'x');
  EXPECT_EQ(pwrite(fd, data.data(), data.size(), 0), 16384);
  EXPECT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
  EXPECT_EQ(At(fd, 4095, 3), std::string("x\0\0", 3));
  EXPECT_EQ(At(fd, 8191, 2), std::string("\0x", 2));
  EXPECT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 10));
  EXPECT_EQ(At(fd, 99, 12), "x" + std::string(10, '\0') + "x");
  EXPECT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 12288, 40960));
  fstat(fd, &st);
  EXPECT_EQ(st.st_size, 16384);
  EXPECT_EQ(At(fd, 12287, 3), std::string("x\0\0", 3));
  EXPECT_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096), EOPNOTSUPP);
  EXPECT_ERRNO(fallocate(fd, 0, -1, 10), EINVAL);
  EXPECT_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
  EXPECT_ERRNO(fallocate(fd, 0x1000, 0, 10), EOPNOTSUPP);
  EXPECT_ERRNO(fallocate(fd, 0, INT64_MAX - 5, 10), EFBIG);
  const int reader = open("f", O_RDONLY);
  EXPECT_ERRNO(fallocate(reader, 0, 0, 10), EBADF);
  int fds[2];
  pipe(fds);
  EXPECT_ERRNO(fallocate(fds[1], 0, 0, 10), ESPIPE);
  EXPECT_ERRNO(fallocate(open(".", O_RDONLY), 0, 0, 10), EBADF);
}

TEST(DataAndHoles) {
  const int fd = ASSERT_OK(open("f", O_RDWR | O_CREAT, 0600));
  EXPECT_ERRNO(lseek(fd, 0, SEEK_DATA), ENXIO);
  EXPECT_ERRNO(lseek(fd, 0, SEEK_HOLE), ENXIO);
  std::string page(4096, 'd');
  EXPECT_EQ(pwrite(fd, page.data(), 4096, 64 << 10), 4096);
  EXPECT_OK(ftruncate(fd, 128 << 10));
  EXPECT_EQ(lseek(fd, 0, SEEK_DATA), 64 << 10);
  EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), 0);
  EXPECT_EQ(lseek(fd, (64 << 10) + 10, SEEK_DATA), (64 << 10) + 10);
  EXPECT_EQ(lseek(fd, 64 << 10, SEEK_HOLE), (64 << 10) + 4096);
  EXPECT_ERRNO(lseek(fd, (64 << 10) + 4096, SEEK_DATA), ENXIO);
  EXPECT_ERRNO(lseek(fd, 128 << 10, SEEK_HOLE), ENXIO);
  EXPECT_ERRNO(lseek(fd, -1, SEEK_DATA), ENXIO);
  EXPECT_EQ(lseek(fd, 100 << 10, SEEK_HOLE), 100 << 10);
}

TEST(SmallFilesHaveNoHoles) {
  Put("f", "abc");
  const int fd = ASSERT_OK(open("f", O_RDWR));
  EXPECT_EQ(lseek(fd, 1, SEEK_DATA), 1);
  EXPECT_EQ(lseek(fd, 1, SEEK_HOLE), 3);
  EXPECT_ERRNO(lseek(fd, 3, SEEK_DATA), ENXIO);
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 3);
}

TEST(CopyFileRange) {
  Put("a", "0123456789");
  Put("b", "");
  const int a = ASSERT_OK(open("a", O_RDONLY)), b = ASSERT_OK(open("b", O_RDWR));
  off64_t from = 2, to = 5;
  EXPECT_EQ(copy_file_range(a, &from, b, &to, 4, 0), 4);
  EXPECT_EQ(from, 6);
  EXPECT_EQ(to, 9);
  EXPECT_EQ(At(b, 0, 20), std::string(5, '\0') + "2345");
  EXPECT_EQ(lseek(a, 0, SEEK_CUR), 0);
  EXPECT_EQ(copy_file_range(a, nullptr, b, nullptr, 100, 0), 10);
  EXPECT_EQ(lseek(a, 0, SEEK_CUR), 10);
  EXPECT_EQ(copy_file_range(a, nullptr, b, nullptr, 100, 0), 0);
  EXPECT_ERRNO(copy_file_range(a, nullptr, b, nullptr, 1, 1), EINVAL);
  EXPECT_ERRNO(copy_file_range(b, nullptr, a, nullptr, 1, 0), EBADF);
  const int dir = open(".", O_RDONLY), append = open("b", O_WRONLY | O_APPEND);
  EXPECT_ERRNO(copy_file_range(dir, nullptr, b, nullptr, 1, 0), EISDIR);
  lseek(a, 0, SEEK_SET);
  EXPECT_ERRNO(copy_file_range(a, nullptr, append, nullptr, 1, 0), EBADF);
  int fds[2];
  pipe(fds);
  EXPECT_ERRNO(copy_file_range(a, nullptr, fds[1], nullptr, 1, 0), EINVAL);
  from = 0, to = 2;
  EXPECT_ERRNO(copy_file_range(b, &from, b, &to, 4, 0), EINVAL);
  to = 20;
  EXPECT_EQ(copy_file_range(b, &from, b, &to, 4, 0), 4);
}

TEST(Sendfile) {
  Put("a", "0123456789");
  const int a = ASSERT_OK(open("a", O_RDONLY));
  int fds[2];
  ASSERT_OK(pipe(fds));
  off_t at = 4;
  EXPECT_EQ(sendfile(fds[1], a, &at, 3), 3);
  EXPECT_EQ(at, 7);
  EXPECT_EQ(sendfile(fds[1], a, nullptr, 100), 10);
  char buf[32];
  EXPECT_EQ(read(fds[0], buf, 32), 13);
  EXPECT(memcmp(buf, "4560123456789", 13) == 0);
  EXPECT_EQ(lseek(a, 0, SEEK_CUR), 10);
  at = -1;
  EXPECT_ERRNO(sendfile(fds[1], a, &at, 1), EINVAL);
  EXPECT_ERRNO(sendfile(fds[0], a, nullptr, 1), EBADF);
  const int append = open("b", O_WRONLY | O_CREAT | O_APPEND, 0600);
  lseek(a, 0, SEEK_SET);
  EXPECT_ERRNO(sendfile(append, a, nullptr, 1), EINVAL);
}

TEST(Splice) {
  Put("a", "0123456789");
  const int a = ASSERT_OK(open("a", O_RDWR));
  int p[2], q[2];
  ASSERT_OK(pipe(p));
  ASSERT_OK(pipe(q));
  loff_t at = 3;
  EXPECT_EQ(splice(a, &at, p[1], nullptr, 4, 0), 4);
  EXPECT_EQ(at, 7);
  EXPECT_EQ(tee(p[0], q[1], 10, 0), 4);
  EXPECT_EQ(splice(p[0], nullptr, q[1], nullptr, 2, 0), 2);
  char buf[32];
  EXPECT_EQ(read(q[0], buf, 32), 6);
  EXPECT(memcmp(buf, "345634", 6) == 0);
  EXPECT_EQ(read(p[0], buf, 32), 2);
  EXPECT(memcmp(buf, "56", 2) == 0);
  EXPECT_EQ(write(p[1], "zz", 2), 2);
  at = 8;
  EXPECT_EQ(splice(p[0], nullptr, a, &at, 10, 0), 2);
  EXPECT_EQ(At(a, 0, 20), "01234567zz");
  EXPECT_ERRNO(splice(p[0], nullptr, a, nullptr, 1, SPLICE_F_NONBLOCK), EAGAIN);
  EXPECT_ERRNO(splice(a, nullptr, a, nullptr, 1, 0), EINVAL);
  EXPECT_ERRNO(splice(p[0], &at, a, nullptr, 1, 0), ESPIPE);
  EXPECT_ERRNO(splice(p[1], nullptr, a, nullptr, 1, 0), EBADF);
  EXPECT_ERRNO(splice(p[0], nullptr, p[1], nullptr, 1, 0), EINVAL);
  EXPECT_ERRNO(tee(p[0], p[1], 1, 0), EINVAL);
  EXPECT_ERRNO(tee(p[0], a, 1, 0), EINVAL);
  EXPECT_ERRNO(splice(p[0], nullptr, a, nullptr, 1, 0x100), EINVAL);
  close(p[1]);
  EXPECT_EQ(splice(p[0], nullptr, a, nullptr, 1, 0), 0);
}

TEST(Vmsplice) {
  int p[2];
  ASSERT_OK(pipe(p));
  char one[] = "abc", two[] = "defg";
  iovec v[2] = {{one, 3}, {two, 4}};
  EXPECT_EQ(vmsplice(p[1], v, 2, 0), 7);
  char buf[16] = {};
  iovec out = {buf, 5};
  EXPECT_EQ(vmsplice(p[0], &out, 1, 0), 5);
  EXPECT_EQ(std::string(buf), "abcde");
  EXPECT_EQ(read(p[0], buf, 16), 2);
  EXPECT_ERRNO(vmsplice(open("/dev/null", O_WRONLY), v, 1, 0), EBADF);
  EXPECT_ERRNO(vmsplice(p[0], &out, 1, SPLICE_F_NONBLOCK), EAGAIN);
}

TEST(PositionalFlags) {
  Put("f", "0123456789");
  const int fd = ASSERT_OK(open("f", O_RDWR));
  char buf[16];
  iovec v = {buf, 4};
  EXPECT_EQ(preadv2(fd, &v, 1, 2, 0), 4);
  EXPECT(memcmp(buf, "2345", 4) == 0);
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 0);
  EXPECT_EQ(preadv2(fd, &v, 1, -1, 0), 4);
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 4);
  EXPECT_ERRNO(preadv2(fd, &v, 1, -2, 0), EINVAL);
  EXPECT_ERRNO(preadv2(fd, &v, 1, 0, 0x8000), EOPNOTSUPP);
  iovec w = {(void*)"WX", 2};
  EXPECT_EQ(pwritev2(fd, &w, 1, 0, RWF_DSYNC), 2);
  EXPECT_EQ(pwritev2(fd, &w, 1, 1, RWF_SYNC), 2);
  EXPECT_EQ(pwritev2(fd, &w, 1, 0, RWF_APPEND), 2);
  EXPECT_EQ(At(fd, 0, 20), "WWX3456789WX");
  EXPECT_EQ(pwritev2(fd, &w, 1, -1, RWF_APPEND), 2);
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 14);
  EXPECT_ERRNO(pwritev2(fd, &w, 1, 0, 0x8000), EOPNOTSUPP);
  int p[2];
  ASSERT_OK(pipe(p));
  EXPECT_ERRNO(preadv2(p[0], &v, 1, -1, RWF_NOWAIT), EAGAIN);
  EXPECT_EQ(write(p[1], "x", 1), 1);
  EXPECT_EQ(preadv2(p[0], &v, 1, -1, RWF_NOWAIT), 1);
  EXPECT_ERRNO(preadv2(p[0], &v, 1, 0, 0), ESPIPE);
}

TEST(NowaitReadsWhatIsCached) {
  Put("f", "0123456789");
  const int fd = ASSERT_OK(open("f", O_RDWR));
  char buf[16];
  iovec v = {buf, 4};
  const ssize_t n = preadv2(fd, &v, 1, 0, RWF_NOWAIT);
  EXPECT(n == 4 || (n == -1 && (errno == EAGAIN || errno == EOPNOTSUPP)));
}

TEST(CloseRange) {
  int fds[10];
  for (int& fd : fds) fd = dup(0);
  const int low = fds[0], high = fds[9];
  EXPECT_OK(close_range(low + 2, low + 4, 0));
  EXPECT_ERRNO(fcntl(low + 2, F_GETFD), EBADF);
  EXPECT_ERRNO(fcntl(low + 4, F_GETFD), EBADF);
  EXPECT_OK(fcntl(low + 5, F_GETFD));
  EXPECT_OK(close_range(low, low, CLOSE_RANGE_CLOEXEC));
  EXPECT_EQ(fcntl(low, F_GETFD), FD_CLOEXEC);
  EXPECT_ERRNO(close_range(5, 4, 0), EINVAL);
  EXPECT_ERRNO(close_range(low, high, 1u << 8), EINVAL);
  EXPECT_OK(close_range(low, ~0u, CLOSE_RANGE_UNSHARE));
  EXPECT_ERRNO(fcntl(high, F_GETFD), EBADF);
}

TEST(DescriptorIoctls) {
  Put("f", "0123456789");
  const int fd = ASSERT_OK(open("f", O_RDWR));
  EXPECT_OK(ioctl(fd, FIOCLEX));
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  EXPECT_OK(ioctl(fd, FIONCLEX));
  EXPECT_EQ(fcntl(fd, F_GETFD), 0);
  int n = -1;
  EXPECT_OK(ioctl(fd, FIONREAD, &n));
  EXPECT_EQ(n, 10);
  lseek(fd, 4, SEEK_SET);
  EXPECT_OK(ioctl(fd, FIONREAD, &n));
  EXPECT_EQ(n, 6);
  int on = 1;
  EXPECT_OK(ioctl(fd, FIONBIO, &on));
  EXPECT(fcntl(fd, F_GETFL) & O_NONBLOCK);
  EXPECT_ERRNO(ioctl(fd, TCGETS, &n), ENOTTY);
  EXPECT_ERRNO(ioctl(fd, 0x12345678, &n), ENOTTY);
  int p[2];
  ASSERT_OK(pipe(p));
  EXPECT_EQ(write(p[1], "abc", 3), 3);
  EXPECT_OK(ioctl(p[0], FIONREAD, &n));
  EXPECT_EQ(n, 3);
}

TEST(FileFlags) {
  Put("f", "data");
  const int fd = ASSERT_OK(open("f", O_RDWR));
  int flags = -1;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) {
    EXPECT_EQ(errno, ENOTTY);
    Skip("no flags here");
  }
  EXPECT_EQ(flags & (FS_IMMUTABLE_FL | FS_APPEND_FL), 0);
  int changed = flags | FS_NODUMP_FL;
  EXPECT_OK(ioctl(fd, FS_IOC_SETFLAGS, &changed));
  EXPECT_OK(ioctl(fd, FS_IOC_GETFLAGS, &changed));
  EXPECT_EQ(changed, flags | FS_NODUMP_FL);
  changed = flags | FS_APPEND_FL;
  EXPECT_OK(ioctl(fd, FS_IOC_SETFLAGS, &changed));
  EXPECT_ERRNO(open("f", O_WRONLY), EPERM);
  EXPECT_ERRNO(truncate("f", 0), EPERM);
  EXPECT_OK(close(open("f", O_WRONLY | O_APPEND)));
  changed = flags | FS_IMMUTABLE_FL;
  EXPECT_OK(ioctl(fd, FS_IOC_SETFLAGS, &changed));
  EXPECT_ERRNO(open("f", O_WRONLY), EPERM);
  EXPECT_ERRNO(unlink("f"), EPERM);
  EXPECT_ERRNO(chmod("f", 0600), EPERM);
  EXPECT_ERRNO(rename("f", "g"), EPERM);
  EXPECT_ERRNO(link("f", "g"), EPERM);
  EXPECT_OK(ioctl(fd, FS_IOC_SETFLAGS, &flags));
  EXPECT_OK(unlink("f"));
}

TEST(ProtectionFollowsTheDescriptor) {
  Put("f", std::string(8192, 'x'));
  const int fd = ASSERT_OK(open("f", O_RDONLY));
  char* p = (char*)mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  ASSERT(p != MAP_FAILED);
  EXPECT_ERRNO(mprotect(p, 4096, PROT_READ | PROT_WRITE), EACCES);
  const int writer = ASSERT_OK(open("f", O_WRONLY));
  EXPECT_EQ(pwrite(writer, "new", 3, 0), 3);
  EXPECT(memcmp(p, "new", 3) == 0);
  EXPECT_ERRNO((long)mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
  EXPECT_ERRNO((long)mmap(nullptr, 4096, PROT_READ, MAP_SHARED, writer, 0), EACCES);
}

TEST(PipesKeepWhatFaulted) {
  int p[2];
  ASSERT_OK(pipe(p));
  EXPECT_EQ(write(p[1], "0123456789", 10), 10);
  EXPECT_ERRNO(read(p[0], (void*)8, 10), EFAULT);
  char* pages = (char*)mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(pages + 4096, 4096, PROT_READ);
  EXPECT_ERRNO(read(p[0], pages + 4096, 10), EFAULT);
  char buf[16];
  EXPECT_EQ(read(p[0], buf, 16), 10);
  EXPECT(memcmp(buf, "0123456789", 10) == 0);
}

TEST(PipePages) {
  int p[2];
  ASSERT_OK(pipe2(p, O_NONBLOCK));
  EXPECT_EQ(fcntl(p[0], F_GETPIPE_SZ), 65536);
  std::string block(4096, 'b');
  EXPECT_EQ(write(p[1], block.data(), 4095), 4095);
  EXPECT_EQ(write(p[1], "xy", 2), 2);  // a page of its own
  int n = 0;
  while (write(p[1], block.data(), 4096) == 4096) ++n;
  EXPECT_EQ(n, 14);
  pollfd out = {p[1], POLLOUT, 0};
  EXPECT_EQ(poll(&out, 1, 0), 0);
  EXPECT_EQ(read(p[0], block.data(), 4094), 4094);
  EXPECT_EQ(poll(&out, 1, 0), 0);  // the first page is not free yet
  EXPECT_ERRNO(write(p[1], "z", 1), EAGAIN);
  EXPECT_EQ(read(p[0], block.data(), 1), 1);
  EXPECT_EQ(poll(&out, 1, 0), 1);
  EXPECT_EQ(write(p[1], "z", 1), 1);
  EXPECT_OK(ioctl(p[0], FIONREAD, &n));
  EXPECT_EQ(n, 2 + 14 * 4096 + 1);
}

TEST(PipeSizes) {
  int p[2];
  ASSERT_OK(pipe2(p, O_NONBLOCK));
  EXPECT_EQ(fcntl(p[0], F_SETPIPE_SZ, 5000), 8192);
  EXPECT_EQ(fcntl(p[1], F_GETPIPE_SZ), 8192);
  std::string data(20000, 'd');
  EXPECT_EQ(write(p[1], data.data(), data.size()), 8192);
  EXPECT_ERRNO(fcntl(p[0], F_SETPIPE_SZ, 4096), EBUSY);
  EXPECT_EQ(fcntl(p[0], F_SETPIPE_SZ, 1 << 20), 1 << 20);
  EXPECT_EQ(write(p[1], data.data(), data.size()), 20000);
  EXPECT_EQ(read(p[0], data.data(), 8192), 8192);
  EXPECT_ERRNO(fcntl(p[0], F_SETPIPE_SZ, -1), EINVAL);
  EXPECT_EQ(fcntl(p[0], F_SETPIPE_SZ, 32768), 32768);
  EXPECT_EQ(read(p[0], data.data(), 20000), 20000);
  EXPECT_EQ(fcntl(p[0], F_SETPIPE_SZ, 0), 4096);
}

TEST(PacketPipes) {
  int p[2];
  ASSERT_OK(pipe2(p, O_DIRECT | O_NONBLOCK));
  EXPECT_EQ(write(p[1], "first", 5), 5);
  EXPECT_EQ(write(p[1], "second", 6), 6);
  char buf[64];
  EXPECT_EQ(read(p[0], buf, 2), 2);
  EXPECT_EQ(read(p[0], buf, 64), 6);
  std::string big(5000, 'p');
  EXPECT_EQ(write(p[1], big.data(), 5000), 5000);
  EXPECT_EQ(read(p[0], big.data(), 5000), 4096);
  EXPECT_EQ(read(p[0], big.data(), 5000), 904);
  int n = 0;
  while (write(p[1], "x", 1) == 1) ++n;
  EXPECT_EQ(n, 16);
}

TEST(DirectorySync) {
  mkdir("d", 0755);
  Put("d/f", "x");
  const int dir = ASSERT_OK(open("d", O_RDONLY | O_DIRECTORY));
  EXPECT_OK(fsync(dir));
  EXPECT_OK(fdatasync(dir));
  EXPECT_OK(syncfs(dir));
  int p[2];
  ASSERT_OK(pipe(p));
  EXPECT_ERRNO(fsync(p[0]), EINVAL);
}

TEST(HugeDirectory) {
  mkdir("big", 0755);
  ASSERT_OK(chdir("big"));
  constexpr int kFiles = 5000;
  char name[64];
  for (int i = 0; i < kFiles; ++i) {
    snprintf(name, sizeof(name), "a-name-that-takes-some-room-%06d", i);
    close(ASSERT_OK(open(name, O_CREAT | O_WRONLY, 0600)));
  }
  DIR* dir = opendir(".");
  ASSERT(dir != nullptr);
  std::set<std::string> seen;
  std::vector<long> places;
  int removed = 0;
  while (dirent* entry = readdir(dir)) {
    EXPECT(seen.insert(entry->d_name).second);
    if (entry->d_name[0] == '.') continue;
    if (seen.size() % 3 == 0) removed += unlink(entry->d_name) == 0;  // what was handed out may go
    if (seen.size() == 1000) places.push_back(telldir(dir));
  }
  EXPECT_EQ(seen.size(), kFiles + 2u);
  seekdir(dir, places[0]);
  size_t rest = 0;
  while (readdir(dir) != nullptr) ++rest;
  EXPECT(rest >= kFiles - 1001u - removed && rest <= kFiles - 998u);
  rewinddir(dir);
  size_t left = 0;
  while (readdir(dir) != nullptr) ++left;
  EXPECT_EQ(left, kFiles + 2u - removed);
  closedir(dir);
  char small[24];
  const int fd = open(".", O_RDONLY);
  EXPECT_EQ(syscall(SYS_getdents64, fd, small, sizeof(small)), 24);  // "." alone
  EXPECT_ERRNO(syscall(SYS_getdents64, fd, small, 16), EINVAL);
}

TEST(RunningProgramsAreNotWritten) {
  Put("copy", ReadAll(SelfPath()));
  ASSERT_OK(chmod("copy", 0755));
  const int writer = ASSERT_OK(open("copy", O_WRONLY));
  EXPECT_EQ(RunInChild(
                [] { return execl("./copy", "copy", "--helper", "Sleep", nullptr) == -1 && errno == ETXTBSY ? 9 : 8; }),
            9 << 8);
  close(writer);
  int ready[2];
  ASSERT_OK(pipe(ready));
  const int pid = fork();
  if (pid == 0) {
    dup2(ready[1], 1);
    close(ready[0]), close(ready[1]);
    execl("./copy", "copy", "--helper", "Sleep", nullptr);
    _exit(1);
  }
  close(ready[1]);
  char c;
  EXPECT_EQ(read(ready[0], &c, 1), 1);
  EXPECT_ERRNO(open("copy", O_WRONLY), ETXTBSY);
  EXPECT_ERRNO(open("copy", O_RDWR), ETXTBSY);
  EXPECT_ERRNO(open("copy", O_RDONLY | O_TRUNC), ETXTBSY);
  EXPECT_ERRNO(truncate("copy", 0), ETXTBSY);
  EXPECT_OK(close(open("copy", O_RDONLY)));
  EXPECT_OK(rename("copy", "moved"));
  EXPECT_ERRNO(open("moved", O_WRONLY), ETXTBSY);
  kill(pid, SIGKILL);
  EXPECT_EQ(WaitStatus(pid), SIGKILL);
  EXPECT_OK(close(open("moved", O_WRONLY)));
}

HELPER(Sleep) {
  EXPECT_EQ(write(1, "r", 1), 1);
  sleep(30);
  return 0;
}
