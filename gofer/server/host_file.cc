// Operations on host files by descriptor: nothing here follows a link or leaves a directory.
#include "gofer/server/host_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <charconv>
#include <utility>

namespace runsc {
namespace {

constexpr uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
constexpr int kRetries = 8;  // openat2 is EAGAIN when a rename elsewhere made it unsure

Result<UniqueFd> OpenBeneath(int dir, std::string_view name, uint64_t flags, uint32_t mode) {
  std::string path(name);
  open_how how{.flags = flags | O_CLOEXEC | O_NOFOLLOW, .mode = mode, .resolve = kBeneath};
  long fd = -1;
  for (int i = 0; i < kRetries && fd < 0; i++) {
    fd = syscall(SYS_openat2, dir, path.c_str(), &how, sizeof(how));
    if (fd < 0 && errno != EAGAIN && errno != EINTR) break;
  }
  if (fd < 0) return Errno(errno);
  return UniqueFd(static_cast<int>(fd));
}

WireTime ToWire(const statx_timestamp& time) { return {.sec = time.tv_sec, .nsec = time.tv_nsec, .reserved = 0}; }

// The name of `fd` in /proc/self/fd.
struct FdName {
  explicit FdName(int fd) { *std::to_chars(text, text + sizeof(text) - 1, fd).ptr = '\0'; }
  char text[16];
};

Result<WireAttr> Stat(int fd, const char* name, int flags) {
  struct statx st;
  unsigned mask = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;
  if (statx(fd, name, flags | AT_STATX_SYNC_AS_STAT, mask, &st) != 0) return Errno(errno);
  WireAttr attr{.dev = makedev(st.stx_dev_major, st.stx_dev_minor),
                .ino = st.stx_ino,
                .rdev = makedev(st.stx_rdev_major, st.stx_rdev_minor),
                .size = st.stx_size,
                .blocks = st.stx_blocks,
                .mode = st.stx_mode,
                .nlink = st.stx_nlink,
                .uid = st.stx_uid,
                .gid = st.stx_gid,
                .blksize = st.stx_blksize,
                .atime = ToWire(st.stx_atime),
                .mtime = ToWire(st.stx_mtime),
                .ctime = ToWire(st.stx_ctime)};
  if ((st.stx_mask & STATX_BTIME) != 0) attr.btime = ToWire(st.stx_btime);
  if ((st.stx_mask & STATX_MNT_ID) != 0) attr.mount_id = st.stx_mnt_id;
  return attr;
}

}  // namespace

Result<WireAttr> StatFile(int fd) { return Stat(fd, "", AT_EMPTY_PATH); }

Result<WireAttr> StatChild(int dir, std::string_view name) {
  return Stat(dir, std::string(name).c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
}

Result<UniqueFd> OpenChildPath(int dir, std::string_view name, uint64_t extra_flags) {
  return OpenBeneath(dir, name, O_PATH | extra_flags, 0);
}

Result<UniqueFd> CreateChild(int dir, std::string_view name, int flags, uint32_t mode) {
  return OpenBeneath(dir, name, static_cast<uint64_t>(flags) | O_CREAT | O_EXCL | O_NOCTTY, mode);
}

Result<std::string> ReadLinkTarget(int link) {
  Result<std::string> target = ReadChildLinkTarget(link, "");
  if (!target.ok() && target.error() == Errno(ENOENT)) return Errno(EINVAL);  // not a symlink
  return target;
}

Result<std::string> ReadChildLinkTarget(int dir, std::string_view name) {
  char target[kGoferMaxTarget + 1];
  ssize_t n = readlinkat(dir, std::string(name).c_str(), target, sizeof(target));
  if (n < 0) return Errno(errno);
  if (static_cast<size_t>(n) > kGoferMaxTarget) return Errno(ENAMETOOLONG);
  return std::string(target, static_cast<size_t>(n));
}

Result<UniqueFd> Reopener::Open(int fd, int flags, uint32_t mode) const {
  int opened = openat(proc_.get(), FdName(fd).text, flags | O_CLOEXEC | O_NOCTTY, mode);
  if (opened < 0) return Errno(errno);
  return UniqueFd(opened);
}

Result<void> Reopener::Chmod(int fd, uint32_t mode) const {
  if (fchmodat(proc_.get(), FdName(fd).text, mode, 0) != 0) return Errno(errno);
  return {};
}

Result<void> Reopener::LinkTo(int fd, int dir, std::string_view name) const {
  std::string path(name);
  if (linkat(proc_.get(), FdName(fd).text, dir, path.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    return Errno(errno);
  }
  return {};
}

}  // namespace runsc
