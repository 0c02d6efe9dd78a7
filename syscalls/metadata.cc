// Attributes of files: stat(2), statx(2), access(2), chmod(2), chown(2), utimensat(2), statfs(2).
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/securebits.h>
#include <linux/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

#include "sentry/fs/proc_magic.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/mount_flags.h"
#include "sentry/vfs/permission.h"
#include "syscalls/copy_path.h"
#include "syscalls/handlers.h"

namespace runsc {
namespace {

struct stat ToStat(const Attr& attr) {
  struct stat st = {};
  st.st_dev = attr.dev;
  st.st_ino = attr.ino;
  st.st_nlink = attr.nlink;
  st.st_mode = attr.mode;
  st.st_uid = attr.uid;
  st.st_gid = attr.gid;
  st.st_rdev = attr.rdev;
  st.st_size = static_cast<off_t>(attr.size);
  st.st_blksize = attr.blksize;
  st.st_blocks = static_cast<blkcnt_t>(attr.blocks);
  st.st_atim = attr.atime;
  st.st_mtim = attr.mtime;
  st.st_ctim = attr.ctime;
  return st;
}

// What a descriptor refers to, also when it has no path (pipes, sockets).
Result<Attr> AttrOfFd(Task& task, int fd) {
  if (fd == AT_FDCWD) return task.fs().cwd().dentry->inode()->GetAttr();
  return TRY(task.fds().Get(fd))->GetAttr();
}

// With AT_EMPTY_PATH a null pointer is an empty path.
Result<std::string> CopyInPathOrNone(Task& task, GuestAddr addr, int at_flags) {
  return addr == 0 && (at_flags & AT_EMPTY_PATH) ? std::string() : task.CopyInPath(addr);
}

Result<Attr> AttrAt(Task& task, int dirfd, GuestAddr path_addr, int at_flags) {
  const std::string path = TRY(CopyInPathOrNone(task, path_addr, at_flags));
  if (path.empty() && (at_flags & AT_EMPTY_PATH)) return AttrOfFd(task, dirfd);
  if (path.empty()) return Errno(ENOENT);
  const Path start = TRY(StartOf(task, dirfd, path));
  const uint32_t flags = at_flags & AT_SYMLINK_NOFOLLOW ? Vfs::kNoFollow : 0;
  const Path found = TRY(task.vfs().Lookup(task.resolver(), start, path, flags));
  return found.dentry->inode()->GetAttr();
}

// The owner's ids as the task's user namespace knows them.
Attr AsSeenBy(Task& task, Attr attr) {
  const UserNamespace* ns = task.creds()->user_ns.get();
  attr.uid = UidToGuest(ns, attr.uid);
  attr.gid = GidToGuest(ns, attr.gid);
  return attr;
}

SyscallResult StatTo(Task& task, Result<Attr> attr, GuestAddr buf) {
  if (!attr.ok()) return attr.error();
  TRY(task.CopyOutObject(buf, ToStat(AsSeenBy(task, *attr))));
  return 0;
}

struct statx_timestamp ToStatxTime(const timespec& time) {
  return {.tv_sec = time.tv_sec, .tv_nsec = static_cast<uint32_t>(time.tv_nsec)};
}

struct statx ToStatx(const Attr& attr) {
  struct statx stx = {};
  stx.stx_mask = STATX_BASIC_STATS | (attr.btime ? STATX_BTIME : 0);
  stx.stx_blksize = attr.blksize;
  stx.stx_nlink = static_cast<uint32_t>(attr.nlink);
  stx.stx_uid = attr.uid;
  stx.stx_gid = attr.gid;
  stx.stx_mode = static_cast<uint16_t>(attr.mode);
  stx.stx_ino = attr.ino;
  stx.stx_size = attr.size;
  stx.stx_blocks = attr.blocks;
  stx.stx_atime = ToStatxTime(attr.atime);
  stx.stx_mtime = ToStatxTime(attr.mtime);
  stx.stx_ctime = ToStatxTime(attr.ctime);
  if (attr.btime) stx.stx_btime = ToStatxTime(*attr.btime);
  stx.stx_rdev_major = major(attr.rdev);
  stx.stx_rdev_minor = minor(attr.rdev);
  stx.stx_dev_major = major(attr.dev);
  stx.stx_dev_minor = minor(attr.dev);
  return stx;
}

struct StatxTarget {
  Attr attr;
  Path path;  // empty for what has none
};

Result<StatxTarget> FindForStatx(Task& task, int dirfd, GuestAddr path_addr, int at_flags) {
  const std::string text = TRY(CopyInPathOrNone(task, path_addr, at_flags));
  if (text.empty() && (at_flags & AT_EMPTY_PATH)) {
    const Path path = dirfd == AT_FDCWD ? task.fs().cwd() : TRY(task.fds().Get(dirfd))->path();
    return StatxTarget{TRY(AttrOfFd(task, dirfd)), path};
  }
  if (text.empty()) return Errno(ENOENT);
  const Path start = TRY(StartOf(task, dirfd, text));
  const uint32_t flags = at_flags & AT_SYMLINK_NOFOLLOW ? Vfs::kNoFollow : 0;
  Path found = TRY(task.vfs().Lookup(task.resolver(), start, text, flags));
  Attr attr = TRY(found.dentry->inode()->GetAttr());
  return StatxTarget{attr, std::move(found)};
}

constexpr std::pair<uint32_t, uint64_t> kStatxFlags[] = {
    {FS_IMMUTABLE_FL, STATX_ATTR_IMMUTABLE}, {FS_APPEND_FL, STATX_ATTR_APPEND}, {FS_NODUMP_FL, STATX_ATTR_NODUMP}};

// What belongs to the place rather than to the file: the mount, and flags.
Result<void> AddMount(const Path& path, struct statx* stx) {
  stx->stx_mask |= STATX_MNT_ID;
  stx->stx_mnt_id = static_cast<uint64_t>(path.mount->id());
  stx->stx_attributes_mask |= STATX_ATTR_MOUNT_ROOT;
  if (path.dentry == path.mount->root()) stx->stx_attributes |= STATX_ATTR_MOUNT_ROOT;
  const Result<uint32_t> flags = path.dentry->inode()->GetFlags();
  if (!flags.ok()) return {};
  for (const auto& [flag, attribute] : kStatxFlags) {
    stx->stx_attributes_mask |= attribute;
    if (*flags & flag) stx->stx_attributes |= attribute;
  }
  return {};
}

// access() asks for the real user: what a set-user-ID program's caller could do.
CredentialsRef RealCredentials(const Credentials& creds) {
  RefPtr<Credentials> real = creds.Copy();
  real->fsuid = creds.ruid;
  real->fsgid = creds.rgid;
  if (!(creds.securebits & SECBIT_NO_SETUID_FIXUP)) {
    real->effective = creds.ruid == 0 ? creds.permitted : 0;
  }
  return real;
}

bool SameAsReal(const Credentials& creds) {
  return creds.fsuid == creds.ruid && creds.fsgid == creds.rgid && creds.ruid == 0 &&
         creds.effective == creds.permitted;
}

SyscallResult AccessAt(Task& task, int dirfd, GuestAddr path_addr, int mode, int flags) {
  if (mode & ~(R_OK | W_OK | X_OK)) return Errno(EINVAL);
  if (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return Errno(EINVAL);
  Resolver resolver = task.resolver();
  if (!(flags & AT_EACCESS) && !SameAsReal(*task.creds())) resolver.creds = RealCredentials(*task.creds());
  const std::string text = TRY(task.CopyInPath(path_addr));
  const RefPtr<File> file = TRY(UnnamedFile(task, dirfd, text, flags));
  if (file && !file->path()) {
    TRY(Vfs::CheckPermission(*resolver.creds, TRY(file->GetAttr()), mode));
    return 0;
  }
  const Path path = TRY(LookupText(task, resolver, dirfd, text, flags));
  TRY(task.vfs().CheckAccess(*resolver.creds, path, mode));
  return 0;
}

// eventfd and the like share one inode on Linux: nothing of it can be changed.
Result<void> CheckHasAttributes(File& file) {
  return (TRY(file.GetAttr()).mode & S_IFMT) != 0 ? Result<void>() : Errno(EOPNOTSUPP);
}

SyscallResult ChmodAt(Task& task, int dirfd, GuestAddr path, uint32_t mode, int flags) {
  TRY(task.vfs().Chmod(task.resolver(), TRY(LookupAt(task, dirfd, path, flags)), mode));
  return 0;
}

template <typename Id>
std::optional<Id> IdOrNone(Id id) {
  return id == static_cast<Id>(-1) ? std::nullopt : std::optional<Id>(id);
}

struct Owner {
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
};

// From the task's user namespace. EINVAL: it has no such id.
Result<Owner> OwnerFrom(Task& task, uid_t uid, gid_t gid) {
  const UserNamespace* ns = task.creds()->user_ns.get();
  Owner owner{IdOrNone(uid), IdOrNone(gid)};
  if (owner.uid && !(owner.uid = IdFromGuest(ns, UserNamespace::kUsers, uid))) return Errno(EINVAL);
  if (owner.gid && !(owner.gid = IdFromGuest(ns, UserNamespace::kGroups, gid))) return Errno(EINVAL);
  return owner;
}

SyscallResult ChownFile(Task& task, File& file, const Owner& owner) {
  if (file.path()) {
    TRY(task.vfs().Chown(task.resolver(), file.path(), owner.uid, owner.gid));
    return 0;
  }
  TRY(CheckHasAttributes(file));
  TRY(Vfs::CheckChown(*task.creds(), TRY(file.GetAttr()), owner.uid, owner.gid));
  AttrChange change;
  change.uid = owner.uid;
  change.gid = owner.gid;
  TRY(file.SetAttr(change));
  return 0;
}

SyscallResult ChownAt(Task& task, int dirfd, GuestAddr path, uid_t uid, gid_t gid, int flags) {
  const auto owner = TRY(OwnerFrom(task, uid, gid));
  const std::string text = TRY(task.CopyInPath(path));
  if (const RefPtr<File> file = TRY(UnnamedFile(task, dirfd, text, flags))) return ChownFile(task, *file, owner);
  const Path found = TRY(LookupText(task, task.resolver(), dirfd, text, flags));
  TRY(task.vfs().Chown(task.resolver(), found, owner.uid, owner.gid));
  return 0;
}

struct Times {
  std::optional<timespec> atime, mtime;
  bool explicit_times = false;
  bool valid = true;  // judged once the file is found
};

constexpr timespec kNow = {.tv_sec = 0, .tv_nsec = UTIME_NOW};

bool IsTime(const timespec& time) {
  return time.tv_nsec == UTIME_NOW || time.tv_nsec == UTIME_OMIT || (time.tv_nsec >= 0 && time.tv_nsec <= 999999999);
}

Times DecodeTimes(const timespec (&times)[2]) {
  Times decoded;
  decoded.valid = IsTime(times[0]) && IsTime(times[1]);
  if (times[0].tv_nsec != UTIME_OMIT) decoded.atime = times[0];
  if (times[1].tv_nsec != UTIME_OMIT) decoded.mtime = times[1];
  decoded.explicit_times = times[0].tv_nsec != UTIME_NOW || times[1].tv_nsec != UTIME_NOW;
  return decoded;
}

SyscallResult SetTimesOf(Task& task, const Path& path, const Times& times) {
  if (!times.atime && !times.mtime) return 0;
  if (!times.valid) return Errno(EINVAL);
  if (!path) return Errno(EBADF);
  TRY(task.vfs().SetTimes(task.resolver(), path, times.atime, times.mtime, times.explicit_times));
  return 0;
}

SyscallResult SetTimesOfFile(Task& task, File& file, const Times& times) {
  if (!times.valid) return Errno(EINVAL);
  if (!file.path()) TRY(CheckHasAttributes(file));
  return SetTimesOf(task, TRY(MagicPathOf(file)), times);
}

SyscallResult SetTimesAt(Task& task, int dirfd, GuestAddr path, const Times& times, int flags) {
  if (path == 0 && dirfd != AT_FDCWD) {
    if (flags != 0) return Errno(EINVAL);
    return SetTimesOfFile(task, *TRY(task.fds().GetForIo(dirfd)), times);
  }
  const std::string text = TRY(task.CopyInPath(path));
  if (const RefPtr<File> file = TRY(UnnamedFile(task, dirfd, text, flags))) return SetTimesOfFile(task, *file, times);
  return SetTimesOf(task, TRY(LookupText(task, task.resolver(), dirfd, text, flags)), times);
}

// struct timeval[2] of utimes and futimesat.
Result<Times> CopyInTimevals(Task& task, GuestAddr addr) {
  if (addr == 0) return Times{kNow, kNow, false};
  struct timeval raw[2];
  TRY(task.CopyIn(addr, raw, sizeof(raw)));
  timespec times[2];
  for (int i = 0; i < 2; ++i) {
    if (raw[i].tv_usec < 0 || raw[i].tv_usec >= 1000000) return Errno(EINVAL);
    times[i] = {.tv_sec = raw[i].tv_sec, .tv_nsec = raw[i].tv_usec * 1000};
  }
  return DecodeTimes(times);
}

// ST_VALID: f_flags means something.
constexpr uint64_t kStValid = 0x20;

uint64_t StatfsFlags(uint64_t mount_flags) {
  uint64_t flags = kStValid;
  mount_flags = WithPlainAtime(mount_flags);
  static constexpr std::pair<uint64_t, uint64_t> kMap[] = {
      {MS_RDONLY, 1},       {MS_NOSUID, 2},     {MS_NODEV, 4},         {MS_NOEXEC, 8},
      {MS_SYNCHRONOUS, 16}, {MS_NOATIME, 1024}, {MS_NODIRATIME, 2048}, {MS_RELATIME, 4096}};
  for (const auto& [mount_flag, statfs_flag] : kMap) {
    if (mount_flags & mount_flag) flags |= statfs_flag;
  }
  return flags;
}

SyscallResult StatfsOf(Task& task, const Path& path, GuestAddr buf) {
  struct statfs info = TRY(path.mount->fs()->Statfs());
  info.f_flags = static_cast<decltype(info.f_flags)>(StatfsFlags(path.mount->flags()));
  TRY(task.CopyOutObject(buf, info));
  return 0;
}

}  // namespace

// stat(2)
SyscallResult SysStat(Task& task, GuestAddr path, GuestAddr buf) {
  return StatTo(task, AttrAt(task, AT_FDCWD, path, 0), buf);
}

// lstat(2)
SyscallResult SysLstat(Task& task, GuestAddr path, GuestAddr buf) {
  return StatTo(task, AttrAt(task, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW), buf);
}

// fstat(2)
SyscallResult SysFstat(Task& task, int fd, GuestAddr buf) {
  return StatTo(task, TRY(task.fds().Get(fd))->GetAttr(), buf);
}

// newfstatat: fstatat(2)
SyscallResult SysNewfstatat(Task& task, int dirfd, GuestAddr path, GuestAddr buf, int flags) {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) return Errno(EINVAL);
  return StatTo(task, AttrAt(task, dirfd, path, flags), buf);
}

// statx(2)
SyscallResult SysStatx(Task& task, int dirfd, GuestAddr path, int flags, uint32_t mask, GuestAddr buf) {
  if (mask & STATX__RESERVED) return Errno(EINVAL);
  constexpr int kSync = AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC;
  if ((flags & kSync) == kSync) return Errno(EINVAL);
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | kSync)) return Errno(EINVAL);
  const StatxTarget target = TRY(FindForStatx(task, dirfd, path, flags));
  struct statx stx = ToStatx(AsSeenBy(task, target.attr));
  if (target.path) TRY(AddMount(target.path, &stx));
  TRY(task.CopyOutObject(buf, stx));
  return 0;
}

// access(2)
SyscallResult SysAccess(Task& task, GuestAddr path, int mode) { return AccessAt(task, AT_FDCWD, path, mode, 0); }

// faccessat(2), without flags
SyscallResult SysFaccessat(Task& task, int dirfd, GuestAddr path, int mode) {
  return AccessAt(task, dirfd, path, mode, 0);
}

// faccessat2: faccessat(2)
SyscallResult SysFaccessat2(Task& task, int dirfd, GuestAddr path, int mode, int flags) {
  return AccessAt(task, dirfd, path, mode, flags);
}

// chmod(2)
SyscallResult SysChmod(Task& task, GuestAddr path, uint32_t mode) { return ChmodAt(task, AT_FDCWD, path, mode, 0); }

// fchmod(2)
SyscallResult SysFchmod(Task& task, int fd, uint32_t mode) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  if (file->path()) {
    TRY(task.vfs().Chmod(task.resolver(), file->path(), mode));
    return 0;
  }
  TRY(CheckHasAttributes(*file));
  if (!OwnsOrCapable(*task.creds(), TRY(file->GetAttr()))) return Errno(EPERM);
  AttrChange change;
  change.mode = mode & 07777;
  TRY(file->SetAttr(change));
  return 0;
}

// fchmodat(2), without flags
SyscallResult SysFchmodat(Task& task, int dirfd, GuestAddr path, uint32_t mode) {
  return ChmodAt(task, dirfd, path, mode, 0);
}

// fchmodat2: fchmodat(2)
SyscallResult SysFchmodat2(Task& task, int dirfd, GuestAddr path, uint32_t mode, int flags) {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return Errno(EINVAL);
  return ChmodAt(task, dirfd, path, mode, flags);
}

// chown(2)
SyscallResult SysChown(Task& task, GuestAddr path, uid_t uid, gid_t gid) {
  return ChownAt(task, AT_FDCWD, path, uid, gid, 0);
}

// lchown(2)
SyscallResult SysLchown(Task& task, GuestAddr path, uid_t uid, gid_t gid) {
  return ChownAt(task, AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

// fchownat(2)
SyscallResult SysFchownat(Task& task, int dirfd, GuestAddr path, uid_t uid, gid_t gid, int flags) {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return Errno(EINVAL);
  return ChownAt(task, dirfd, path, uid, gid, flags);
}

// fchown(2)
SyscallResult SysFchown(Task& task, int fd, uid_t uid, gid_t gid) {
  RefPtr<File> file = TRY(task.fds().GetForIo(fd));
  return ChownFile(task, *file, TRY(OwnerFrom(task, uid, gid)));
}

// utimensat(2)
SyscallResult SysUtimensat(Task& task, int dirfd, GuestAddr path, GuestAddr times_addr, int flags) {
  Times decoded{kNow, kNow, false};
  if (times_addr != 0) {
    timespec times[2];
    TRY(task.CopyIn(times_addr, times, sizeof(times)));
    if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT) return 0;
    decoded = DecodeTimes(times);
  }
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return Errno(EINVAL);
  return SetTimesAt(task, dirfd, path, decoded, flags);
}

// futimesat(2)
SyscallResult SysFutimesat(Task& task, int dirfd, GuestAddr path, GuestAddr times) {
  return SetTimesAt(task, dirfd, path, TRY(CopyInTimevals(task, times)), 0);
}

// utimes(2)
SyscallResult SysUtimes(Task& task, GuestAddr path, GuestAddr times) {
  return SetTimesAt(task, AT_FDCWD, path, TRY(CopyInTimevals(task, times)), 0);
}

// utime(2)
SyscallResult SysUtime(Task& task, GuestAddr path, GuestAddr times_addr) {
  Times times{kNow, kNow, false};
  if (times_addr != 0) {
    const auto raw = TRY(task.CopyInObject<struct utimbuf>(times_addr));
    times = {timespec{raw.actime, 0}, timespec{raw.modtime, 0}, true};
  }
  return SetTimesAt(task, AT_FDCWD, path, times, 0);
}

// statfs(2)
SyscallResult SysStatfs(Task& task, GuestAddr path, GuestAddr buf) {
  return StatfsOf(task, TRY(LookupAt(task, AT_FDCWD, path, 0)), buf);
}

// fstatfs(2)
SyscallResult SysFstatfs(Task& task, int fd, GuestAddr buf) {
  RefPtr<File> file = TRY(task.fds().Get(fd));
  if (file->path()) return StatfsOf(task, file->path(), buf);
  RefPtr<Inode> inode = file->inode();
  if (!inode) return Errno(ENOSYS);
  TRY(task.CopyOutObject(buf, TRY(inode->fs().Statfs())));
  return 0;
}

// umask(2)
SyscallResult SysUmask(Task& task, int mask) { return task.fs().set_umask(static_cast<uint32_t>(mask)); }

}  // namespace runsc
