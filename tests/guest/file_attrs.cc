// Files: extended attributes, access control lists, timestamps, tmpfs's options, bind mounts.

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <utime.h>

#include <functional>
#include <vector>

#include "tests/guest/file_util.h"
#include "tests/guest/harness.h"

using namespace guest;

namespace {

uint32_t Mode(const char* path) { return Stat(path).st_mode & 07777; }

std::string Xattr(const char* path, const char* name) {
  char value[256];
  const ssize_t n = getxattr(path, name, value, sizeof(value));
  return n < 0 ? std::string("error ") + strerrorname_np(errno) : std::string(value, n);
}

struct AclEntry {
  uint16_t tag, perm;
  uint32_t id;
};
constexpr uint32_t kNobody = ~0u;
constexpr const char* kAccess = "system.posix_acl_access";
constexpr const char* kDefault = "system.posix_acl_default";

int SetAcl(const char* path, const char* name, const std::vector<AclEntry>& entries) {
  std::string value("\2\0\0\0", 4);
  value.append((const char*)entries.data(), entries.size() * sizeof(AclEntry));
  return setxattr(path, name, value.data(), value.size(), 0);
}

std::string Acl(const char* path, const char* name) {
  const std::string value = Xattr(path, name);
  if (value.compare(0, 5, "error") == 0) return value;
  std::string text;
  for (size_t at = 4; at + 8 <= value.size(); at += 8) {
    AclEntry e;
    memcpy(&e, value.data() + at, 8);
    char part[64];
    snprintf(part, sizeof(part), "%s%d:%d:%d", at > 4 ? " " : "", e.tag, e.perm, (int)e.id);
    text += part;
  }
  return text;
}

// As another user; group 2000, supplementary group 3000.
int AsUser(uid_t uid, const std::function<int()>& body) {
  return WEXITSTATUS(RunInChild([&] {
    const gid_t groups[] = {3000};
    if (setgroups(1, groups) != 0 || setgid(2000) != 0 || setuid(uid) != 0) return 99;
    return body();
  }));
}

int64_t Ns(const timespec& t) { return t.tv_sec * 1000000000ll + t.tv_nsec; }

// A mount namespace of one's own, so that nothing is left behind on a real kernel.
void OwnMounts() {
  if (unshare(CLONE_NEWNS) != 0 && !InSandbox()) Skip("no mount namespace");
  (void)mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
}

int TryOpen(const char* path, int flags) {
  const int fd = open(path, flags, 0600);
  return fd >= 0 ? 0 : errno;
}

}  // namespace

TEST(UserAttributes) {
  Put("f", "x");
  mkdir("d", 0755);
  EXPECT_OK(setxattr("f", "user.one", "1", 1, 0));
  EXPECT_EQ(Xattr("f", "user.one"), "1");
  EXPECT_ERRNO(setxattr("f", "user.one", "2", 1, XATTR_CREATE), EEXIST);
  EXPECT_OK(setxattr("f", "user.one", "22", 2, XATTR_REPLACE));
  EXPECT_ERRNO(setxattr("f", "user.two", "2", 1, XATTR_REPLACE), ENODATA);
  EXPECT_EQ(getxattr("f", "user.one", nullptr, 0), 2);
  char one;
  EXPECT_ERRNO(getxattr("f", "user.one", &one, 1), ERANGE);
  EXPECT_EQ(Xattr("f", "user.none"), "error ENODATA");
  EXPECT_OK(setxattr("f", "user.empty", "", 0, 0));
  EXPECT_EQ(getxattr("f", "user.empty", &one, 1), 0);
  char list[256];
  const ssize_t n = EXPECT_OK(listxattr("f", list, sizeof(list)));
  EXPECT(std::string(list, n).find(std::string("user.one\0", 9)) != std::string::npos);
  EXPECT_ERRNO(listxattr("f", list, 2), ERANGE);
  EXPECT_OK(removexattr("f", "user.one"));
  EXPECT_ERRNO(removexattr("f", "user.one"), ENODATA);
  EXPECT_ERRNO(setxattr("f", "nonsense.x", "1", 1, 0), EOPNOTSUPP);
  EXPECT_ERRNO(setxattr("f", "", "1", 1, 0), ERANGE);
  EXPECT_ERRNO(setxattr("f", "user.x", "1", 1, 7), EINVAL);
  EXPECT_ERRNO(setxattr("f", "user.x", std::string(70000, 'x').data(), 70000, 0), E2BIG);
  EXPECT_ERRNO(setxattr("f", ("user." + std::string(300, 'n')).c_str(), "1", 1, 0), ERANGE);
  EXPECT_OK(setxattr("d", "user.d", "1", 1, 0));
  symlink("f", "l");
  EXPECT_ERRNO(lsetxattr("l", "user.l", "1", 1, 0), EPERM);
  EXPECT_OK(setxattr("l", "user.l", "1", 1, 0));
  EXPECT_EQ(Xattr("f", "user.l"), "1");
  const int fd = open("f", O_RDONLY);
  EXPECT_OK(fsetxattr(fd, "user.fd", "1", 1, 0));
  EXPECT_ERRNO(fgetxattr(open("f", O_PATH), "user.fd", &one, 1), EBADF);
}

TEST(AclFormAndMode) {
  chmod(".", 0755);
  Put("f", "x");
  chmod("f", 0640);
  EXPECT_EQ(Acl("f", kAccess), "error ENODATA");
  if (SetAcl("f", kAccess, {{1, 6, kNobody}, {2, 4, 1000}, {4, 4, kNobody}, {16, 6, kNobody}, {32, 0, kNobody}}) != 0) {
    EXPECT_EQ(errno, EOPNOTSUPP);
    Skip("no ACLs here");
  }
  EXPECT_EQ(Mode("f"), 0660u);  // the mask shows as the group
  EXPECT_EQ(Acl("f", kAccess), "1:6:-1 2:4:1000 4:4:-1 16:6:-1 32:0:-1");
  EXPECT_OK(chmod("f", 0604));
  EXPECT_EQ(Acl("f", kAccess), "1:6:-1 2:4:1000 4:4:-1 16:0:-1 32:4:-1");
  EXPECT_OK(SetAcl("f", kAccess, {{1, 7, kNobody}, {4, 5, kNobody}, {32, 1, kNobody}}));  // says no more than a mode
  EXPECT_EQ(Acl("f", kAccess), "error ENODATA");
  EXPECT_EQ(Mode("f"), 0751u);
  EXPECT_ERRNO(SetAcl("f", kAccess, {{1, 7, kNobody}, {4, 5, kNobody}}), EINVAL);
  EXPECT_ERRNO(SetAcl("f", kAccess, {{1, 7, kNobody}, {2, 5, 1}, {4, 5, kNobody}, {32, 0, kNobody}}), EINVAL);
  EXPECT_ERRNO(SetAcl("f", kAccess, {{4, 7, kNobody}, {1, 5, kNobody}, {32, 0, kNobody}}), EINVAL);
  EXPECT_ERRNO(SetAcl("f", kDefault, {{1, 7, kNobody}, {4, 5, kNobody}, {32, 0, kNobody}}), EACCES);
  EXPECT_ERRNO(setxattr("f", kAccess, "\1\0\0\0", 4, 0), EOPNOTSUPP);
  EXPECT_ERRNO(setxattr("f", kAccess, "\2\0", 2, 0), EINVAL);
  EXPECT_OK(SetAcl("f", kAccess, {{1, 6, kNobody}, {2, 4, 1000}, {4, 4, kNobody}, {16, 6, kNobody}, {32, 0, kNobody}}));
  EXPECT_OK(removexattr("f", kAccess));
  EXPECT_EQ(Acl("f", kAccess), "error ENODATA");
  EXPECT_EQ(AsUser(1000, [] { return removexattr("f", kAccess) == -1 ? errno : 0; }), EPERM);
}

TEST(AclDecides) {
  chmod(".", 0755);
  Put("f", "x");
  const std::vector<AclEntry> list = {{1, 6, kNobody}, {2, 6, 1000},     {2, 0, 1001},    {4, 0, kNobody},
                                      {8, 4, 3000},    {16, 4, kNobody}, {32, 6, kNobody}};
  if (SetAcl("f", kAccess, list) != 0) Skip("no ACLs here");
  EXPECT_EQ(AsUser(1000, [] { return TryOpen("f", O_RDONLY); }), 0);
  EXPECT_EQ(AsUser(1000, [] { return TryOpen("f", O_WRONLY); }), EACCES);  // the mask
  EXPECT_EQ(AsUser(1001, [] { return TryOpen("f", O_RDONLY); }), EACCES);
  EXPECT_EQ(AsUser(1002, [] { return TryOpen("f", O_RDONLY); }), 0);  // by a group
  EXPECT_EQ(AsUser(1002, [] { return TryOpen("f", O_WRONLY); }), EACCES);
  EXPECT_EQ(AsUser(1002, [] { return access("f", R_OK) == 0 ? 0 : errno; }), 0);
  EXPECT_EQ(AsUser(1001, [] { return access("f", R_OK) == 0 ? 0 : errno; }), EACCES);
  mkdir("d", 0700);
  EXPECT_OK(SetAcl("d", kAccess, {{1, 7, kNobody}, {2, 7, 1000}, {4, 0, kNobody}, {16, 7, kNobody}, {32, 0, kNobody}}));
  EXPECT_EQ(AsUser(1000, [] { return TryOpen("d/new", O_CREAT | O_RDWR); }), 0);
  EXPECT_EQ(AsUser(1001, [] { return TryOpen("d/new", O_RDONLY); }), EACCES);
}

TEST(DefaultAclIsInherited) {
  mkdir("d", 0755);
  umask(022);
  const std::vector<AclEntry> list = {
      {1, 7, kNobody}, {2, 6, 1000}, {4, 7, kNobody}, {16, 7, kNobody}, {32, 5, kNobody}};
  if (SetAcl("d", kDefault, list) != 0) Skip("no ACLs here");
  EXPECT_EQ(Mode("d"), 0755u);
  close(ASSERT_OK(open("d/f", O_CREAT | O_WRONLY, 0666)));
  EXPECT_EQ(Mode("d/f"), 0664u);  // no umask
  EXPECT_EQ(Acl("d/f", kAccess), "1:6:-1 2:6:1000 4:7:-1 16:6:-1 32:4:-1");
  EXPECT_EQ(Acl("d/f", kDefault), "error ENODATA");
  EXPECT_OK(mkdir("d/sub", 0700));
  EXPECT_EQ(Mode("d/sub"), 0700u);
  EXPECT_EQ(Acl("d/sub", kAccess), "1:7:-1 2:6:1000 4:7:-1 16:0:-1 32:0:-1");
  EXPECT_EQ(Acl("d/sub", kDefault), "1:7:-1 2:6:1000 4:7:-1 16:7:-1 32:5:-1");
  EXPECT_OK(removexattr("d", kDefault));
  close(ASSERT_OK(open("d/g", O_CREAT | O_WRONLY, 0666)));
  EXPECT_EQ(Mode("d/g"), 0644u);
}

TEST(TimesAreExact) {
  Put("f", "x");
  timespec times[2] = {{1000000000, 123456789}, {-5, 1}};
  EXPECT_OK(utimensat(AT_FDCWD, "f", times, 0));
  struct stat st = Stat("f");
  EXPECT_EQ(st.st_atim.tv_sec, 1000000000);
  EXPECT_EQ(st.st_atim.tv_nsec, 123456789);
  EXPECT_EQ(st.st_mtim.tv_sec, -5);
  EXPECT_EQ(st.st_mtim.tv_nsec, 1);
  times[0] = {0, UTIME_OMIT};
  times[1] = {77, 0};
  EXPECT_OK(utimensat(AT_FDCWD, "f", times, 0));
  EXPECT_EQ(Stat("f").st_atim.tv_nsec, 123456789);
  EXPECT_EQ(Stat("f").st_mtim.tv_sec, 77);
  times[0] = {0, UTIME_NOW};
  EXPECT_OK(utimensat(AT_FDCWD, "f", times, 0));
  EXPECT(Stat("f").st_atim.tv_sec > 1000000000);
  times[0] = {0, 1000000000};
  EXPECT_ERRNO(utimensat(AT_FDCWD, "f", times, 0), EINVAL);
  symlink("f", "l");
  times[0] = times[1] = {5, 6};
  EXPECT_OK(utimensat(AT_FDCWD, "l", times, AT_SYMLINK_NOFOLLOW));
  EXPECT_EQ(Stat("l").st_mtim.tv_sec, 5);
  EXPECT_EQ(Stat("f").st_mtim.tv_sec, 77);
  EXPECT_OK(futimens(open("f", O_RDONLY), nullptr));
  EXPECT(Stat("f").st_mtim.tv_sec > 1000000000);
}

TEST(WhatChangesWhichTime) {
  Put("f", "x");
  mkdir("d", 0755);
  const auto after = [](const std::function<void()>& change, const char* path) {
    timespec old[2] = {{1000, 0}, {1000, 0}};
    utimensat(AT_FDCWD, path, old, 0);
    const struct stat before = Stat(path);
    SleepMs(20);
    change();
    const struct stat st = Stat(path);
    std::string what;
    if (Ns(st.st_atim) != Ns(before.st_atim)) what += "a";
    if (Ns(st.st_mtim) != Ns(before.st_mtim)) what += "m";
    if (Ns(st.st_ctim) != Ns(before.st_ctim)) what += "c";
    return what;
  };
  const int fd = open("f", O_RDWR);
  char c;
  EXPECT_EQ(after([&] { pread(fd, &c, 1, 0); }, "f"), "a");
  EXPECT_EQ(after([&] { pwrite(fd, "y", 1, 0); }, "f"), "mc");
  EXPECT_EQ(after([&] { pwrite(fd, "y", 0, 0); }, "f"), "");
  EXPECT_EQ(after([&] { ftruncate(fd, 9); }, "f"), "mc");
  EXPECT_EQ(after([&] { chmod("f", 0600); }, "f"), "c");
  EXPECT_EQ(after([&] { link("f", "g"); }, "f"), "c");
  EXPECT_EQ(after([&] { rename("g", "h"); }, "f"), "c");
  EXPECT_EQ(after([&] { unlink("h"); }, "f"), "c");
  EXPECT_EQ(after([&] { setxattr("f", "user.x", "1", 1, 0); }, "f"), "c");
  EXPECT_EQ(after([&] { close(open("d/x", O_CREAT | O_RDWR, 0600)); }, "d"), "mc");
  EXPECT_EQ(after([&] { close(open("d/x", O_CREAT | O_RDWR, 0600)); }, "d"), "");
  EXPECT_EQ(after([&] { rename("d/x", "d/y"); }, "d"), "mc");
  EXPECT_EQ(after([&] { unlink("d/y"); }, "d"), "mc");
  EXPECT_EQ(after([&] { close(open("f", O_RDWR | O_TRUNC)); }, "f"), "mc");
}

TEST(TmpfsOptions) {
  OwnMounts();
  mkdir("m", 0755);
  ASSERT_OK(mount("mine", "m", "tmpfs", 0, "size=1m,mode=0710,uid=5,gid=6"));
  struct stat st = Stat("m");
  EXPECT_EQ(st.st_mode & 07777, 0710u);
  EXPECT_EQ(st.st_uid, 5u);
  EXPECT_EQ(st.st_gid, 6u);
  struct statfs fs;
  EXPECT_OK(statfs("m", &fs));
  EXPECT_EQ(fs.f_type, 0x01021994);
  EXPECT_EQ(fs.f_blocks * fs.f_bsize, 1u << 20);
  const int fd = ASSERT_OK(open("m/f", O_CREAT | O_RDWR, 0600));
  const std::string data(1 << 20, 'x');
  const ssize_t wrote = write(fd, data.data(), data.size());
  EXPECT(wrote > 0 && wrote <= 1 << 20);
  EXPECT_ERRNO(write(fd, data.data(), data.size()), ENOSPC);
  EXPECT_ERRNO(fallocate(fd, 0, 0, 2 << 20), ENOSPC);
  EXPECT_OK(ftruncate(fd, 0));
  EXPECT_EQ(write(fd, data.data(), 4096), 4096);
  EXPECT_ERRNO(mount("x", "m", "tmpfs", 0, "size=oops"), EINVAL);
  EXPECT_ERRNO(mount("x", "m", "tmpfs", 0, "nonsense=1"), EINVAL);
  EXPECT_ERRNO(mount("x", "m", "nonsense", 0, nullptr), ENODEV);
  EXPECT(ReadAll("/proc/self/mounts").find("mine ") != std::string::npos);
  EXPECT_ERRNO(umount2("m", 0), EBUSY);  // fd
  close(fd);
  EXPECT_OK(umount2("m", 0));
  EXPECT_ERRNO(umount2("m", 0), EINVAL);
}

TEST(TmpfsInodes) {
  OwnMounts();
  mkdir("m", 0755);
  ASSERT_OK(mount("x", "m", "tmpfs", 0, "nr_inodes=4"));
  struct statfs fs;
  EXPECT_OK(statfs("m", &fs));
  EXPECT_EQ(fs.f_files, 4u);
  EXPECT_EQ(fs.f_ffree, 3u);
  EXPECT_OK(mkdir("m/1", 0755));
  EXPECT_OK(mkdir("m/2", 0755));
  EXPECT_OK(mkdir("m/3", 0755));
  EXPECT_ERRNO(mkdir("m/4", 0755), ENOSPC);
  EXPECT_OK(rmdir("m/1"));
  EXPECT_OK(mkdir("m/4", 0755));
}

TEST(RemountTmpfs) {
  OwnMounts();
  mkdir("m", 0755);
  ASSERT_OK(mount("x", "m", "tmpfs", 0, "size=1m"));
  Put("m/f", "data");
  EXPECT_OK(mount(nullptr, "m", nullptr, MS_REMOUNT, "size=2m"));
  struct statfs fs;
  EXPECT_OK(statfs("m", &fs));
  EXPECT_EQ(fs.f_blocks * fs.f_bsize, 2u << 20);
  EXPECT_EQ(ReadAll("m/f"), "data");
  EXPECT_OK(mount(nullptr, "m", nullptr, MS_REMOUNT | MS_RDONLY, nullptr));
  EXPECT_ERRNO(open("m/f", O_WRONLY), EROFS);
  EXPECT_ERRNO(mkdir("m/d", 0755), EROFS);
  EXPECT_OK(mount(nullptr, "m", nullptr, MS_REMOUNT, nullptr));
  EXPECT_OK(mkdir("m/d", 0755));
}

TEST(BindMounts) {
  OwnMounts();
  mkdir("a", 0755);
  mkdir("a/in", 0755);
  mkdir("b", 0755);
  Put("a/f", "data");
  ASSERT_OK(mount("x", "a/in", "tmpfs", 0, nullptr));
  Put("a/in/t", "tmp");
  ASSERT_OK(mount("a", "b", nullptr, MS_BIND, nullptr));
  EXPECT_EQ(ReadAll("b/f"), "data");
  EXPECT_ERRNO(open("b/in/t", O_RDONLY), ENOENT);  // not without MS_REC
  EXPECT_OK(umount2("b", 0));
  ASSERT_OK(mount("a", "b", nullptr, MS_BIND | MS_REC, nullptr));
  EXPECT_EQ(ReadAll("b/in/t"), "tmp");
  EXPECT_OK(mount(nullptr, "b", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr));
  EXPECT_ERRNO(open("b/f", O_WRONLY), EROFS);
  EXPECT_OK(close(open("a/f", O_WRONLY)));
  EXPECT_OK(close(open("b/in/t", O_WRONLY)));
  EXPECT_ERRNO(umount2("b", 0), EBUSY);
  EXPECT_OK(umount2("b", MNT_DETACH));
  EXPECT_ERRNO(open("b/f", O_RDONLY), ENOENT);
  Put("file", "under");
  Put("over", "over");
  ASSERT_OK(mount("over", "file", nullptr, MS_BIND, nullptr));
  EXPECT_EQ(ReadAll("file"), "over");
  EXPECT_ERRNO(unlink("file"), EBUSY);
  EXPECT_ERRNO(mount("over", "b", nullptr, MS_BIND, nullptr), ENOTDIR);
  EXPECT_ERRNO(mount("none", "b", nullptr, MS_BIND, nullptr), ENOENT);
  EXPECT_OK(umount2("file", 0));
  EXPECT_EQ(ReadAll("file"), "under");
}

TEST(MovedMounts) {
  OwnMounts();
  mkdir("a", 0755);
  mkdir("b", 0755);
  ASSERT_OK(mount("x", "a", "tmpfs", 0, nullptr));
  Put("a/f", "moved");
  EXPECT_OK(mount("a", "b", nullptr, MS_MOVE, nullptr));
  EXPECT_EQ(ReadAll("b/f"), "moved");
  EXPECT_ERRNO(open("a/f", O_RDONLY), ENOENT);
  EXPECT_ERRNO(mount("a", "b", nullptr, MS_MOVE, nullptr), EINVAL);
  EXPECT_OK(umount2("b", 0));
}

namespace {

// The options of what is mounted on `name` below the working directory.
std::string OptionsOf(const std::string& name) {
  const std::string mounts = ReadAll("/proc/self/mounts");
  const size_t at = mounts.find("/" + name + " tmpfs ");
  if (at == std::string::npos) return "";
  const size_t start = at + name.size() + sizeof("/ tmpfs ") - 1;
  return mounts.substr(start, mounts.find(' ', start) - start);
}

bool AccessIsNoted(const char* path) {
  const timespec old[2] = {{1000, 0}, {2000, 0}};
  struct stat st = {};
  EXPECT_OK(utimensat(AT_FDCWD, path, old, 0));
  ReadAll(path);
  EXPECT_OK(stat(path, &st));
  return st.st_atim.tv_sec != 1000;
}

}  // namespace

TEST(MountsHaveRulesForAccessTimes) {
  OwnMounts();
  mkdir("atimes", 0755);
  ASSERT_OK(mount("x", "atimes", "tmpfs", 0, nullptr));
  Put("atimes/f", "text");
  EXPECT_EQ(OptionsOf("atimes").substr(0, 11), std::string("rw,relatime"));
  EXPECT(AccessIsNoted("atimes/f"));
  EXPECT_OK(mount(nullptr, "atimes", nullptr, MS_REMOUNT | MS_NOATIME, nullptr));
  EXPECT_EQ(OptionsOf("atimes").substr(0, 10), std::string("rw,noatime"));
  EXPECT(!AccessIsNoted("atimes/f"));
  struct statfs system = {};
  EXPECT_OK(statfs("atimes", &system));
  EXPECT_EQ(system.f_flags & (1024 | 4096), 1024);                                // ST_NOATIME, ST_RELATIME
  EXPECT_OK(mount(nullptr, "atimes", nullptr, MS_REMOUNT | MS_NOSUID, nullptr));  // asks for no rule: as it was
  EXPECT_EQ(OptionsOf("atimes").substr(0, 17), std::string("rw,nosuid,noatime"));
  EXPECT_OK(mount(nullptr, "atimes", nullptr, MS_REMOUNT | MS_STRICTATIME, nullptr));
  EXPECT(OptionsOf("atimes").find("atime") == std::string::npos);
  EXPECT(AccessIsNoted("atimes/f"));
  EXPECT_OK(umount2("atimes", 0));
}

TEST(MountFlags) {
  OwnMounts();
  mkdir("m", 0755);
  ASSERT_OK(mount("x", "m", "tmpfs", MS_NOEXEC | MS_NODEV | MS_NOSUID, nullptr));
  Put("m/prog", ReadAll(SelfPath()));
  chmod("m/prog", 0755);
  EXPECT_EQ(RunInChild([] { return execl("m/prog", "p", nullptr) == -1 ? errno : 0; }), EACCES << 8);
  EXPECT_OK(mknod("m/null", S_IFCHR | 0666, (1 << 8) | 3));
  EXPECT_ERRNO(open("m/null", O_RDONLY), EACCES);
  const std::string mounts = ReadAll("/proc/self/mounts");
  EXPECT(mounts.find("rw,nosuid,nodev,noexec") != std::string::npos);
  EXPECT_OK(umount2("m", 0));
  EXPECT_ERRNO(umount2("m", 0x100), EINVAL);
  EXPECT_ERRNO(umount2("none", 0), ENOENT);
}
