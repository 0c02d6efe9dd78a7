// Files: open and its flags, reading and writing, offsets, links, renames, holes, attributes.

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/guest/file_util.h"
#include "tests/guest/harness.h"
#include "tests/guest/pipe.h"

using namespace guest;

namespace {

std::set<std::string> List(const char* path) {
  std::set<std::string> names;
  DIR* dir = opendir(path);
  ASSERT(dir != nullptr);
  while (dirent* entry = readdir(dir)) names.insert(entry->d_name);
  closedir(dir);
  return names;
}

long OpenHow(const char* path, uint64_t flags, uint64_t resolve, uint64_t mode = 0) {
  open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
  return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

}  // namespace

TEST(OpenFlags) {
  Put("f", "data");
  mkdir("d", 0755);
  symlink("f", "l");
  symlink("none", "dangling");
  EXPECT_ERRNO(open("none", O_RDONLY), ENOENT);
  EXPECT_ERRNO(open("f", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  EXPECT_ERRNO(open("l", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  EXPECT_ERRNO(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  EXPECT_ERRNO(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
  EXPECT_ERRNO(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
  EXPECT_ERRNO(open("d", O_WRONLY), EISDIR);
  EXPECT_ERRNO(open("d", O_RDONLY | O_CREAT, 0600), EISDIR);
  EXPECT_ERRNO(open("f/x", O_RDONLY), ENOTDIR);
  EXPECT_ERRNO(open("", O_RDONLY), ENOENT);
  EXPECT_ERRNO(open((char*)8, O_RDONLY), EFAULT);
  EXPECT_ERRNO(openat(555, "f", O_RDONLY), EBADF);
  EXPECT_OK(open("dangling", O_WRONLY | O_CREAT, 0600));
  EXPECT(S_ISREG(Stat("none").st_mode));
}

TEST(OpenTakesTheLowestNumber) {
  Put("f", "");
  const int a = open("f", O_RDONLY), b = open("f", O_RDONLY);
  EXPECT_EQ(b, a + 1);
  close(a);
  EXPECT_EQ(open("f", O_RDONLY), a);
  EXPECT_EQ(fcntl(a, F_DUPFD, 100), 100);
  EXPECT_EQ(fcntl(a, F_DUPFD_CLOEXEC, 100), 101);
  EXPECT_EQ(fcntl(101, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(dup2(a, 200), 200);
  EXPECT_EQ(dup2(a, a), a);
  EXPECT_ERRNO(dup3(a, a, 0), EINVAL);
  EXPECT_ERRNO(dup2(a, -1), EBADF);
  EXPECT_ERRNO(dup2(777, 5), EBADF);
  EXPECT_ERRNO(close(777), EBADF);
}

TEST(PathDescriptors) {
  Put("f", "data");
  const int fd = ASSERT_OK(open("f", O_PATH));
  char c;
  struct stat st;
  EXPECT_ERRNO(read(fd, &c, 1), EBADF);
  EXPECT_ERRNO(ftruncate(fd, 0), EBADF);
  EXPECT_OK(fstat(fd, &st));
  EXPECT_EQ(st.st_size, 4);
  EXPECT_EQ(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  const int again = EXPECT_OK(open(path, O_RDONLY));
  EXPECT_EQ(read(again, &c, 1), 1);
}

TEST(TmpfileHasNoName) {
  const int fd = open(".", O_TMPFILE | O_RDWR, 0600);
  if (fd < 0 && errno == EOPNOTSUPP) Skip("the file system has no O_TMPFILE");
  ASSERT_OK(fd);
  EXPECT_EQ(write(fd, "x", 1), 1);
  struct stat st;
  EXPECT_OK(fstat(fd, &st));
  EXPECT_EQ(st.st_nlink, 0u);
  EXPECT_EQ(List(".").size(), 2u);
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  EXPECT_OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  EXPECT_EQ(ReadAll("named"), "x");
}

TEST(Openat2) {
  Put("f", "data");
  mkdir("d", 0755);
  symlink("../f", "d/up");
  symlink("/etc", "abs");
  if (OpenHow("f", O_RDONLY, 0) < 0 && errno == ENOSYS) Skip("no openat2");
  EXPECT_ERRNO(OpenHow("d/up", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
  EXPECT_ERRNO(OpenHow("/etc/passwd", O_RDONLY, RESOLVE_BENEATH), EXDEV);
  EXPECT_ERRNO(OpenHow("../f", O_RDONLY, RESOLVE_BENEATH), EXDEV);
  EXPECT_OK(OpenHow("d/up", O_RDONLY, RESOLVE_BENEATH));
  EXPECT_ERRNO(OpenHow("abs/passwd", O_RDONLY, RESOLVE_BENEATH), EXDEV);
  EXPECT_ERRNO(OpenHow("/proc/self/exe", O_RDONLY, RESOLVE_NO_MAGICLINKS), ELOOP);
  EXPECT_ERRNO(OpenHow("f", O_RDONLY, 1 << 20), EINVAL);
  EXPECT_ERRNO(OpenHow("f", O_RDONLY, 0, 0600), EINVAL);
  EXPECT_ERRNO(OpenHow("f", 1ull << 40, 0), EINVAL);
  open_how how = {};
  EXPECT_ERRNO(syscall(SYS_openat2, AT_FDCWD, "f", &how, 8), EINVAL);
}

TEST(ReadWriteSeek) {
  const int fd = ASSERT_OK(open("f", O_RDWR | O_CREAT, 0600));
  char buffer[20];
  EXPECT_EQ(write(fd, "0123456789", 10), 10);
  EXPECT_EQ(lseek(fd, -3, SEEK_END), 7);
  EXPECT_EQ(read(fd, buffer, 20), 3);
  EXPECT_EQ(read(fd, buffer, 20), 0);
  EXPECT_EQ(pread(fd, buffer, 2, 4), 2);
  EXPECT_EQ(memcmp(buffer, "45", 2), 0);
  EXPECT_EQ(pwrite(fd, "XY", 2, 20), 2);
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 10);
  EXPECT_EQ(pread(fd, buffer, 20, 10), 12);
  EXPECT_EQ(memcmp(buffer, "\0\0\0\0\0\0\0\0\0\0XY", 12), 0);
  EXPECT_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
  EXPECT_ERRNO(lseek(fd, 0, 99), EINVAL);
  EXPECT_ERRNO(pread(fd, buffer, 1, -1), EINVAL);
  EXPECT_ERRNO(read(fd, (void*)8, 1), lseek(fd, 0, SEEK_SET) == 0 ? EFAULT : 0);
  EXPECT_EQ(lseek(fd, 1L << 40, SEEK_SET), 1L << 40);
  EXPECT_EQ(read(fd, buffer, 1), 0);
}

// Nothing behind what was read changes, however small it is and wherever it lies.
TEST(SmallReads) {
  constexpr size_t kMost = 40, kRoom = 64;
  const std::string text = "0123456789abcdefghijklmnopqrstuvwxyzABCD";
  Put("small", text);
  const int fd = ASSERT_OK(open("small", O_RDONLY));
  for (size_t size = 0; size <= kMost; ++size) {
    for (size_t at = 0; at <= text.size(); at += 5) {
      const size_t expected = std::min(size, text.size() - at);
      char buffer[kRoom];
      memset(buffer, '-', sizeof(buffer));
      EXPECT_EQ(pread(fd, buffer, size, static_cast<off_t>(at)), static_cast<ssize_t>(expected));
      EXPECT(std::string(buffer, kRoom) == text.substr(at, expected) + std::string(kRoom - expected, '-'));
    }
  }
  for (size_t size : {1, 16, 17}) EXPECT_ERRNO(pread(fd, (void*)8, size, 0), EFAULT);
  close(fd);
}

// A call that was cut short and starts over, and a handler that runs before it returns, leave the same bytes.
TEST(SmallReadsAndSignals) {
  Pipe pipe;
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  ASSERT_OK(sigaction(SIGUSR1, &action, nullptr));
  const int child = ASSERT_OK(fork());
  if (child == 0) {
    for (char c = 'a'; c <= 'z'; ++c) {
      if (kill(getppid(), SIGUSR1) != 0 || write(pipe.writer(), &c, 1) != 1) _exit(1);
    }
    _exit(0);
  }
  for (char c = 'a'; c <= 'z'; ++c) {
    char bytes[2] = {0, '-'};
    EXPECT_EQ(read(pipe.reader(), bytes, 1), 1);
    EXPECT(bytes[0] == c && bytes[1] == '-');
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(AccessModeIsChecked) {
  Put("f", "x");
  char c;
  const int r = open("f", O_RDONLY), w = open("f", O_WRONLY);
  EXPECT_ERRNO(write(r, "x", 1), EBADF);
  EXPECT_ERRNO(read(w, &c, 1), EBADF);
  EXPECT_ERRNO(ftruncate(r, 0), EINVAL);
  EXPECT_EQ(fcntl(r, F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_ERRNO(read(open(".", O_RDONLY), &c, 1), EISDIR);
}

TEST(AppendIgnoresTheOffset) {
  Put("f", "start");
  const int fd = open("f", O_RDWR | O_APPEND);
  EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
  EXPECT_EQ(write(fd, "+end", 4), 4);
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 9);
  EXPECT_EQ(pwrite(fd, "!", 1, 0), 1);  // Linux appends here too
  EXPECT_EQ(ReadAll("f"), "start+end!");
  EXPECT_OK(fcntl(fd, F_SETFL, 0));
  EXPECT_EQ(pwrite(fd, "S", 1, 0), 1);
  EXPECT_EQ(ReadAll("f"), "Start+end!");
}

TEST(VectoredAtOffset) {
  const int fd = ASSERT_OK(open("f", O_RDWR | O_CREAT, 0600));
  char a[2], b[10];
  iovec out[] = {{(void*)"ab", 2}, {(void*)"cdef", 4}}, in[] = {{a, 2}, {b, 10}};
  EXPECT_EQ(pwritev(fd, out, 2, 3), 6);
  EXPECT_EQ(preadv(fd, in, 2, 3), 6);
  EXPECT_EQ(memcmp(b, "cdef", 4), 0);
  EXPECT_EQ(preadv2(fd, in, 2, 3, 0), 6);
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 0);
}

TEST(TruncateAndExtend) {
  Put("f", "0123456789");
  EXPECT_OK(truncate("f", 4));
  EXPECT_EQ(ReadAll("f"), "0123");
  EXPECT_OK(truncate("f", 6));
  EXPECT_EQ(ReadAll("f"), std::string("0123\0\0", 6));
  EXPECT_ERRNO(truncate("f", -1), EINVAL);
  EXPECT_ERRNO(truncate("none", 0), ENOENT);
  mkdir("d", 0700);
  EXPECT_ERRNO(truncate("d", 0), EISDIR);
  EXPECT_OK(open("f", O_WRONLY | O_TRUNC));
  EXPECT_EQ(Stat("f").st_size, 0);
}

TEST(HolesAndFallocate) {
  const int fd = ASSERT_OK(open("f", O_RDWR | O_CREAT, 0600));
  EXPECT_EQ(pwrite(fd, "x", 1, 1 << 20), 1);
  EXPECT(Stat("f").st_blocks * 512 < 1 << 19);
  char buffer[4096];
  EXPECT_EQ(pread(fd, buffer, 4096, 4096), 4096);
  EXPECT_EQ(buffer[100], 0);
  EXPECT_EQ(lseek(fd, 0, SEEK_DATA), 1 << 20);
  EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), 0);
  EXPECT_ERRNO(lseek(fd, 2 << 20, SEEK_DATA), ENXIO);
  EXPECT_OK(fallocate(fd, 0, 0, 3 << 20));
  EXPECT_EQ(Stat("f").st_size, 3 << 20);
  EXPECT_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4 << 20));
  EXPECT_EQ(Stat("f").st_size, 3 << 20);
  EXPECT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 4096));
  EXPECT_EQ(pread(fd, buffer, 1, 1 << 20), 1);
  EXPECT_EQ(buffer[0], 0);
  EXPECT_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
  EXPECT_ERRNO(fallocate(fd, 0, -1, 10), EINVAL);
}

TEST(UnlinkedFilesLiveOn) {
  Put("f", "data");
  const int fd = open("f", O_RDWR);
  EXPECT_OK(unlink("f"));
  struct stat st;
  EXPECT_OK(fstat(fd, &st));
  EXPECT_EQ(st.st_nlink, 0u);
  char buffer[10];
  EXPECT_EQ(read(fd, buffer, 10), 4);
  EXPECT_EQ(write(fd, "more", 4), 4);
  Put("f", "new");
  EXPECT_EQ(pread(fd, buffer, 10, 0), 8);
}

TEST(HardLinks) {
  Put("a", "x");
  EXPECT_OK(link("a", "b"));
  EXPECT_EQ(Stat("a").st_nlink, 2u);
  EXPECT_EQ(Stat("a").st_ino, Stat("b").st_ino);
  EXPECT_ERRNO(link("a", "b"), EEXIST);
  EXPECT_ERRNO(link("none", "c"), ENOENT);
  mkdir("d", 0700);
  EXPECT_ERRNO(link("d", "e"), EPERM);
  symlink("a", "s");
  EXPECT_OK(link("s", "s2"));
  EXPECT(S_ISLNK(Stat("s2").st_mode));
  EXPECT_OK(linkat(AT_FDCWD, "s", AT_FDCWD, "s3", AT_SYMLINK_FOLLOW));
  EXPECT_EQ(Stat("s3").st_ino, Stat("a").st_ino);
  EXPECT_OK(unlink("a"));
  EXPECT_EQ(ReadAll("b"), "x");
  EXPECT_EQ(Stat("b").st_nlink, 2u);
}

TEST(Symlinks) {
  char target[100];
  EXPECT_OK(symlink("some/where", "l"));
  EXPECT_EQ(readlink("l", target, sizeof(target)), 10);
  EXPECT_EQ(readlink("l", target, 4), 4);
  EXPECT_EQ(Stat("l").st_size, 10);
  EXPECT_ERRNO(readlink(".", target, 10), EINVAL);
  EXPECT_ERRNO(readlink("l", target, 0), EINVAL);
  EXPECT_ERRNO(symlink("x", "l"), EEXIST);
  EXPECT_ERRNO(symlink("", "m"), ENOENT);
  symlink("loop", "loop");
  EXPECT_ERRNO(open("loop", O_RDONLY), ELOOP);
  EXPECT_ERRNO(access("loop/x", F_OK), ELOOP);
  EXPECT_OK(unlink("loop"));
  Put("f0", "end");
  for (int i = 1; i <= 41; i++) {
    symlink(("f" + std::to_string(i - 1)).c_str(), ("f" + std::to_string(i)).c_str());
  }
  EXPECT_EQ(ReadAll("f40"), "end");
  EXPECT_ERRNO(open("f41", O_RDONLY), ELOOP);
}

TEST(RenameRules) {
  Put("a", "A");
  Put("b", "B");
  mkdir("d", 0755);
  mkdir("e", 0755);
  Put("e/x", "");
  EXPECT_OK(rename("a", "b"));
  EXPECT_EQ(ReadAll("b"), "A");
  EXPECT_ERRNO(rename("a", "c"), ENOENT);
  EXPECT_ERRNO(rename("b", "d"), EISDIR);
  EXPECT_ERRNO(rename("d", "b"), ENOTDIR);
  EXPECT_ERRNO(rename("d", "e"), ENOTEMPTY);
  EXPECT_ERRNO(rename("d", "d/sub"), EINVAL);
  EXPECT_OK(rename("e", "d"));
  EXPECT_EQ(List("d").count("x"), 1u);
  EXPECT_ERRNO(rename(".", "q"), EBUSY);
  EXPECT_ERRNO(rename("d/.", "q"), EBUSY);
  EXPECT_OK(rename("b", "b"));
  link("b", "b2");
  EXPECT_OK(rename("b", "b2"));  // the same file: nothing happens
  EXPECT_EQ(ReadAll("b"), "A");
  EXPECT_ERRNO(rename("b", "none/b"), ENOENT);
  EXPECT_ERRNO(rename("b/", "c"), ENOTDIR);
}

TEST(Renameat2) {
  Put("a", "A");
  Put("b", "B");
  EXPECT_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
  EXPECT_OK(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE));
  EXPECT_OK(renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_EXCHANGE));
  EXPECT_EQ(ReadAll("b"), "A");
  EXPECT_EQ(ReadAll("c"), "B");
  EXPECT_ERRNO(renameat2(AT_FDCWD, "b", AT_FDCWD, "zz", RENAME_EXCHANGE), ENOENT);
  EXPECT_ERRNO(renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
  EXPECT_ERRNO(renameat2(AT_FDCWD, "b", AT_FDCWD, "c", 1 << 10), EINVAL);
}

TEST(RenameKeepsOpenFiles) {
  Put("a", "A");
  mkdir("d", 0755);
  const int fd = open("a", O_RDONLY), dir = open("d", O_RDONLY | O_DIRECTORY);
  EXPECT_OK(rename("a", "d/moved"));
  EXPECT_OK(rename("d", "dd"));
  char c;
  EXPECT_EQ(read(fd, &c, 1), 1);
  EXPECT_OK(faccessat(dir, "moved", F_OK, 0));
  char link_path[64], target[256];
  snprintf(link_path, sizeof(link_path), "/proc/self/fd/%d", fd);
  const ssize_t n = EXPECT_OK(readlink(link_path, target, sizeof(target)));
  EXPECT(std::string(target, n).ends_with("/dd/moved"));
}

TEST(Directories) {
  EXPECT_OK(mkdir("d", 0777));
  EXPECT_ERRNO(mkdir("d", 0777), EEXIST);
  EXPECT_ERRNO(mkdir("none/d", 0777), ENOENT);
  Put("f", "");
  EXPECT_ERRNO(mkdir("f/d", 0777), ENOTDIR);
  EXPECT_OK(mkdir("d/e/", 0700));
  EXPECT_ERRNO(rmdir("d"), ENOTEMPTY);
  EXPECT_ERRNO(rmdir("f"), ENOTDIR);
  EXPECT_ERRNO(rmdir("d/."), EINVAL);
  EXPECT_ERRNO(rmdir("d/.."), ENOTEMPTY);
  EXPECT_ERRNO(unlink("d"), EISDIR);
  EXPECT_ERRNO(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR), ENOTDIR);
  EXPECT_OK(unlinkat(AT_FDCWD, "d/e", AT_REMOVEDIR));
  EXPECT_OK(rmdir("d"));
  EXPECT_ERRNO(rmdir("/"), EBUSY);
  EXPECT_ERRNO(mkdir(std::string(256, 'x').c_str(), 0700), ENAMETOOLONG);
  EXPECT_OK(mkdir(std::string(255, 'x').c_str(), 0700));
}

TEST(ListingManyEntries) {
  mkdir("d", 0755);
  std::set<std::string> want = {".", ".."};
  for (int i = 0; i < 1000; i++) {
    const std::string name = "entry-" + std::to_string(i);
    Put(("d/" + name).c_str(), "");
    want.insert(name);
  }
  EXPECT(List("d") == want);
  DIR* dir = opendir("d");
  for (int i = 0; i < 500; i++) readdir(dir);
  const long middle = telldir(dir);
  const std::string next = readdir(dir)->d_name;
  rewinddir(dir);
  seekdir(dir, middle);
  EXPECT_EQ(std::string(readdir(dir)->d_name), next);
  closedir(dir);
}

TEST(GetdentsTypesAndErrors) {
  mkdir("d", 0755);
  Put("f", "");
  symlink("f", "l");
  mkfifo("p", 0600);
  DIR* dir = opendir(".");
  int seen = 0;
  while (dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (name == "d") seen += entry->d_type == DT_DIR;
    if (name == "f") seen += entry->d_type == DT_REG;
    if (name == "l") seen += entry->d_type == DT_LNK;
    if (name == "p") seen += entry->d_type == DT_FIFO;
  }
  EXPECT_EQ(seen, 4);
  char buffer[1024];
  const int fd = open("d", O_RDONLY);
  EXPECT_ERRNO(syscall(SYS_getdents64, fd, buffer, 4), EINVAL);
  EXPECT_ERRNO(syscall(SYS_getdents64, open("f", O_RDONLY), buffer, 1024), ENOTDIR);
  EXPECT_OK(rmdir("d"));
  EXPECT_ERRNO(syscall(SYS_getdents64, fd, buffer, 1024), ENOENT);
}

TEST(WorkingDirectory) {
  char before[4096], buffer[4096];
  ASSERT(getcwd(before, sizeof(before)) != nullptr);
  mkdir("d", 0755);
  EXPECT_OK(chdir("d"));
  EXPECT_EQ(std::string(getcwd(buffer, sizeof(buffer)) ?: ""), std::string(before) + "/d");
  EXPECT_EQ(syscall(SYS_getcwd, buffer, 3), -1L);
  EXPECT_EQ(errno, ERANGE);
  EXPECT_OK(rmdir("../d"));
  EXPECT_ERRNO(syscall(SYS_getcwd, buffer, sizeof(buffer)), ENOENT);
  EXPECT_ERRNO(open("x", O_CREAT | O_RDWR, 0600), ENOENT);
  EXPECT_OK(chdir(".."));
  Put("f", "");
  EXPECT_ERRNO(chdir("f"), ENOTDIR);
  const int dir = open(".", O_RDONLY);
  EXPECT_OK(chdir("/"));
  EXPECT_OK(fchdir(dir));
  EXPECT_OK(access("f", F_OK));
}

TEST(RelativeToDirectory) {
  mkdir("d", 0755);
  const int dir = ASSERT_OK(open("d", O_RDONLY | O_DIRECTORY));
  const int fd = EXPECT_OK(openat(dir, "f", O_RDWR | O_CREAT, 0640));
  struct stat st;
  EXPECT_OK(fstatat(dir, "f", &st, 0));
  EXPECT_EQ(st.st_mode & 07777, 0640u);
  EXPECT_OK(fstatat(fd, "", &st, AT_EMPTY_PATH));
  EXPECT_ERRNO(fstatat(fd, "", &st, 0), ENOENT);
  EXPECT_OK(mkdirat(dir, "sub", 0700));
  EXPECT_OK(symlinkat("f", dir, "l"));
  EXPECT_OK(linkat(dir, "f", AT_FDCWD, "out", 0));
  EXPECT_OK(renameat(dir, "f", dir, "g"));
  EXPECT_OK(fchmodat(dir, "g", 0600, 0));
  EXPECT_OK(unlinkat(dir, "g", 0));
  EXPECT_OK(mknodat(dir, "p", S_IFIFO | 0600, 0));
  EXPECT_ERRNO(fstatat(fd, "x", &st, 0), ENOTDIR);
  EXPECT_ERRNO(openat(dir, "/nonexistent", O_RDONLY), ENOENT);
}

TEST(Modes) {
  umask(027);
  Put("f", "");
  EXPECT_EQ(Stat("f").st_mode & 07777, 0640u);
  mkdir("d", 0777);
  EXPECT_EQ(Stat("d").st_mode & 07777, 0750u);
  EXPECT_OK(chmod("f", 06755));
  EXPECT_EQ(Stat("f").st_mode & 07777, 06755u);
  EXPECT_OK(chown("f", 5, 6));
  EXPECT_EQ(Stat("f").st_mode & 07777, 0755u);  // a change of owner drops set-id bits
  EXPECT_EQ(Stat("f").st_uid, 5u);
  EXPECT_OK(chown("f", -1, 7));
  EXPECT_EQ(Stat("f").st_uid, 5u);
  symlink("f", "l");
  EXPECT_OK(lchown("l", 9, 9));
  EXPECT_EQ(Stat("f").st_uid, 5u);
  EXPECT_EQ(Stat("l").st_uid, 9u);
}

TEST(PermissionsOfOthers) {
  chmod(".", 0755);
  Put("secret", "s");
  chmod("secret", 0600);
  mkdir("closed", 0700);
  mkdir("sticky", 0777);
  chmod("sticky", 01777);
  Put("sticky/f", "");
  const int status = RunInChild([] {
    if (setgid(1000) != 0 || setuid(1000) != 0) return 9;
    EXPECT_ERRNO(open("secret", O_RDONLY), EACCES);
    EXPECT_ERRNO(access("secret", R_OK), EACCES);
    EXPECT_ERRNO(open("closed/x", O_RDWR | O_CREAT, 0600), EACCES);
    EXPECT_ERRNO(open("new", O_RDWR | O_CREAT, 0600), EACCES);
    EXPECT_ERRNO(chmod("secret", 0666), EPERM);
    EXPECT_ERRNO(unlink("secret"), EACCES);
    EXPECT_ERRNO(unlink("sticky/f"), EPERM);
    EXPECT_ERRNO(rename("sticky/f", "sticky/g"), EPERM);
    EXPECT_OK(open("sticky/mine", O_RDWR | O_CREAT, 0600));
    EXPECT_ERRNO(chown("sticky/mine", 0, 0), EPERM);
    EXPECT_OK(unlink("sticky/mine"));
    EXPECT_ERRNO(setuid(0), EPERM);
    return (int)Failed();
  });
  EXPECT_EQ(status, 0);
}

TEST(Times) {
  Put("f", "");
  timespec times[2] = {{1000000000, 123456789}, {1500000000, 987654321}};
  EXPECT_OK(utimensat(AT_FDCWD, "f", times, 0));
  struct stat st = Stat("f");
  EXPECT_EQ(st.st_atim.tv_sec, 1000000000);
  EXPECT_EQ(st.st_mtim.tv_nsec, 987654321);
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_nsec = UTIME_NOW;
  EXPECT_OK(utimensat(AT_FDCWD, "f", times, 0));
  st = Stat("f");
  EXPECT_EQ(st.st_atim.tv_sec, 1000000000);
  EXPECT(st.st_mtim.tv_sec > 1600000000);
  times[1].tv_nsec = 2000000000;
  EXPECT_ERRNO(utimensat(AT_FDCWD, "f", times, 0), EINVAL);
  const timespec before = st.st_mtim;
  SleepMs(20);
  Put("f", "x");
  st = Stat("f");
  EXPECT(st.st_mtim.tv_sec > before.tv_sec || st.st_mtim.tv_nsec > before.tv_nsec);
}

TEST(StatxFields) {
  Put("f", "hello");
  struct statx stx;
  EXPECT_OK(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &stx));
  EXPECT_EQ(stx.stx_size, 5u);
  EXPECT_EQ(stx.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
  EXPECT_EQ(stx.stx_ino, Stat("f").st_ino);
  EXPECT_ERRNO(statx(AT_FDCWD, "f", 0x100000, 0, &stx), EINVAL);
  EXPECT_ERRNO(statx(AT_FDCWD, "none", 0, 0, &stx), ENOENT);
}

TEST(LongPaths) {
  std::string path = "./";
  while (path.size() < 4094) path += "./";
  EXPECT_OK(access((path + ".").c_str(), F_OK));
  EXPECT_ERRNO(access((path + "./x").c_str(), F_OK), ENAMETOOLONG);
  EXPECT_ERRNO(access(std::string(300, 'n').c_str(), F_OK), ENAMETOOLONG);
}

TEST(Locks) {
  const int a = ASSERT_OK(open("f", O_RDWR | O_CREAT, 0600)), b = open("f", O_RDWR);
  EXPECT_OK(flock(a, LOCK_EX | LOCK_NB));
  EXPECT_ERRNO(flock(b, LOCK_SH | LOCK_NB), EAGAIN);
  EXPECT_OK(flock(a, LOCK_UN));
  EXPECT_OK(flock(b, LOCK_SH | LOCK_NB));
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10, .l_pid = 0};
  EXPECT_OK(fcntl(a, F_SETLK, &lock));
  const pid_t parent = getpid();
  const int status = RunInChild([=] {
    struct flock mine = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 1, .l_pid = 0};
    EXPECT_ERRNO(fcntl(b, F_SETLK, &mine), EAGAIN);
    EXPECT_OK(fcntl(b, F_GETLK, &mine));
    EXPECT_EQ(mine.l_pid, parent);
    mine = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 0, .l_pid = 0};
    EXPECT_OK(fcntl(b, F_SETLK, &mine));
    return (int)Failed();
  });
  EXPECT_EQ(status, 0);
  close(b);  // closing any descriptor drops the process's record locks
  EXPECT_EQ(RunInChild([=] {
              struct flock mine = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1, .l_pid = 0};
              return fcntl(a, F_SETLK, &mine);
            }),
            0);
}

TEST(SendfileAndCopyRange) {
  Put("a", std::string(100000, 'q'));
  const int in = open("a", O_RDONLY), out = open("b", O_RDWR | O_CREAT, 0600);
  off_t offset = 50000;
  EXPECT_EQ(sendfile(out, in, &offset, 60000), 50000);
  EXPECT_EQ(offset, 100000);
  EXPECT_EQ(lseek(in, 0, SEEK_CUR), 0);
  const ssize_t n = copy_file_range(in, nullptr, out, nullptr, 1000, 0);
  if (n >= 0) {
    EXPECT_EQ(n, 1000);
    EXPECT_EQ(Stat("b").st_size, 51000);
  }
}

TEST(StatfsShape) {
  struct statfs fs;
  EXPECT_OK(statfs(".", &fs));
  EXPECT(fs.f_bsize >= 512 && fs.f_namelen >= 255);
  EXPECT_OK(statfs("/proc", &fs));
  EXPECT_EQ(fs.f_type, 0x9fa0);
  EXPECT_ERRNO(statfs("none", &fs), ENOENT);
}

TEST(SyncCalls) {
  const int fd = ASSERT_OK(open("f", O_RDWR | O_CREAT, 0600));
  EXPECT_OK(fsync(fd));
  EXPECT_OK(fdatasync(fd));
  EXPECT_OK(syncfs(fd));
  sync();
  int fds[2];
  pipe(fds);
  EXPECT_ERRNO(fsync(fds[0]), EINVAL);
}

TEST(CloseRange) {
  for (int fd = 50; fd < 60; fd++) dup2(0, fd);
  EXPECT_OK(close_range(52, 57, 0));
  EXPECT_OK(fcntl(51, F_GETFD));
  EXPECT_ERRNO(fcntl(52, F_GETFD), EBADF);
  EXPECT_OK(fcntl(58, F_GETFD));
  EXPECT_OK(close_range(58, ~0u, CLOSE_RANGE_CLOEXEC));
  EXPECT_EQ(fcntl(59, F_GETFD), FD_CLOEXEC);
  EXPECT_ERRNO(close_range(9, 8, 0), EINVAL);
}

TEST(AppendsOfTwoDescriptionsOfAMemfd) {
  const int fd = ASSERT_OK(memfd_create("m", 0));
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  constexpr int kWriters = 3, kLines = 3000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kWriters; ++i) {
    threads.emplace_back([&path, i] {
      const int own = open(path.c_str(), O_WRONLY | O_APPEND);
      const std::string line(16 + i, static_cast<char>('a' + i));
      for (int k = 0; k < kLines; ++k) EXPECT_EQ(write(own, line.data(), line.size()), (ssize_t)line.size());
      close(own);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(lseek(fd, 0, SEEK_END), (off_t)kLines * (16 + 17 + 18));
}

TEST(MemfdSeals) {
  const int fd = ASSERT_OK(memfd_create("m", MFD_ALLOW_SEALING));
  EXPECT_EQ(write(fd, "abc", 3), 3);
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
  EXPECT_ERRNO(ftruncate(fd, 1), EPERM);
  EXPECT_ERRNO(ftruncate(fd, 10), EPERM);
  EXPECT_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
  EXPECT_ERRNO(pwrite(fd, "x", 1, 0), EPERM);
  EXPECT_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
}

TEST(ConcurrentAppends) {
  std::vector<pid_t> writers;
  for (int i = 0; i < 4; i++) {
    writers.push_back(fork());
    if (writers.back() != 0) continue;
    const int fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    const std::string line = std::string(50, 'a' + i) + "\n";
    for (int k = 0; k < 200; k++) {
      if (write(fd, line.data(), line.size()) != 51) _exit(1);
    }
    _exit(0);
  }
  for (pid_t writer : writers) EXPECT_EQ(WaitStatus(writer), 0);
  const std::string all = ReadAll("log");
  EXPECT_EQ(all.size(), 4u * 200 * 51);
  bool whole = true;
  for (size_t at = 0; at + 51 <= all.size(); at += 51) whole &= all[at + 50] == '\n' && all[at] == all[at + 49];
  EXPECT(whole);
}
