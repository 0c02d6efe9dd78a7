// One file object of a filesystem, independent of its names; and the filesystem it belongs to.
#pragma once

#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/base/ref_ptr.h"
#include "platform/base/result.h"
#include "sentry/vfs/credentials.h"
#include "sentry/vfs/path.h"

namespace runsc {

class File;
class FileLocks;
class FileSystem;
class Task;

// What stat(2) and statx(2) report.
struct Attr {
  uint64_t dev = 0, ino = 0, nlink = 1, rdev = 0, size = 0, blocks = 0;
  uint32_t mode = 0;  // file type and permission bits
  uid_t uid = 0;
  gid_t gid = 0;
  uint32_t blksize = 4096;
  timespec atime{}, mtime{}, ctime{};
  std::optional<timespec> btime;
  bool IsDir() const { return S_ISDIR(mode); }
  bool IsRegular() const { return S_ISREG(mode); }
  bool IsSymlink() const { return S_ISLNK(mode); }
};

// Changes to attributes; unset fields stay. Permission was checked by the caller (Vfs).
struct AttrChange {
  std::optional<uint32_t> mode;  // permission bits only
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<uint64_t> size;
  std::optional<timespec> atime, mtime;
};

// A new file: `type` is S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR or S_IFBLK.
struct NewFile {
  uint32_t mode;  // type | permissions (umask applied)
  uid_t uid;
  gid_t gid;
  uint64_t rdev = 0;
  std::string symlink_target;
  bool linkable = true;  // O_TMPFILE without O_EXCL
};

struct DirEntry {
  uint64_t ino;
  int64_t next_offset;  // offset to continue after this entry
  uint8_t type;         // DT_*
  std::string name;
};

// Thread-safe. References are held by dentries, open files and the filesystem's own caches. Every
// method does the operation only: permissions, mounts, read-only checks and names are Vfs's business.
class Inode : public RefCounted {
 public:
  explicit Inode(FileSystem& fs);
  FileSystem& fs() const { return fs_; }

  virtual Result<Attr> GetAttr() = 0;
  virtual Result<void> SetAttr(const AttrChange& change) = 0;

  // Directories. Names are single components, never "." or "..".
  virtual Result<RefPtr<Inode>> Lookup(std::string_view name) { return Errno(ENOTDIR); }
  virtual Result<RefPtr<Inode>> Create(std::string_view name, const NewFile& file) { return Errno(EPERM); }
  virtual Result<void> Link(std::string_view name, Inode& target) { return Errno(EPERM); }
  virtual Result<void> Unlink(std::string_view name, Inode& child) { return Errno(EPERM); }
  virtual Result<void> Rmdir(std::string_view name, Inode& child) { return Errno(EPERM); }
  // flags: RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT. `replaced` may be null.
  virtual Result<void> Rename(std::string_view old_name, Inode& child, Inode& new_dir, std::string_view new_name,
                              Inode* replaced, uint32_t flags) {
    return Errno(EPERM);
  }
  // An unnamed file in this directory's filesystem (O_TMPFILE).
  virtual Result<RefPtr<Inode>> CreateTmpfile(const NewFile& file) { return Errno(EOPNOTSUPP); }

  // Symbolic links: the target text.
  virtual Result<std::string> Readlink(Task& task) { return Errno(EINVAL); }
  // Magic links of /proc (fd/N, cwd, exe...): where they lead, without going through a path.
  virtual Result<std::optional<Path>> MagicLink(Task& task) { return std::optional<Path>(); }

  // All entries of a directory but "." and "..", in no order; next_offset is not used. For layers above.
  virtual Result<std::vector<DirEntry>> Entries() { return Errno(EOPNOTSUPP); }
  // The host file with the bytes of a regular file, for reading by layers above; open while the inode lives.
  virtual Result<int> HostFile() { return Errno(EOPNOTSUPP); }
  // A hint: this path will be walked from here. Lets a remote filesystem resolve it in one round trip.
  virtual void Prefetch(std::string_view path) {}

  // A new open file description. `path` is where it was opened (kept by the File); flags are open(2)'s.
  // O_TRUNC was already applied, permissions checked.
  virtual Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) = 0;

  virtual Result<std::string> GetXattr(std::string_view name) { return Errno(EOPNOTSUPP); }
  virtual Result<void> SetXattr(std::string_view name, std::string_view value, int flags) { return Errno(EOPNOTSUPP); }
  virtual Result<std::vector<std::string>> ListXattr() { return std::vector<std::string>(); }
  virtual Result<void> RemoveXattr(std::string_view name) { return Errno(EOPNOTSUPP); }

  // False: a cached child of this directory must be looked up again before use (procfs, shared bind
  // mounts). Asked on every use of a cached name.
  virtual bool RevalidateChild(std::string_view name, Inode* child) { return true; }
  // False: names of this directory are never kept in the name cache.
  virtual bool CachesChildren() const { return true; }

  // FS_IOC_GETFLAGS and FS_IOC_SETFLAGS: FS_*_FL bits.
  virtual Result<uint32_t> GetFlags() { return Errno(ENOTTY); }
  virtual Result<void> SetFlags(uint32_t flags) { return Errno(ENOTTY); }

  // Advisory locks (flock, fcntl): made by the first one.
  FileLocks& locks();
  FileLocks* locks_if_any() const { return locks_.load(std::memory_order_acquire); }

  // Writers and running programs exclude each other: whoever comes second gets ETXTBSY. Every success
  // is dropped by its counterpart.
  Result<void> TakeWrite() { return Take(1); }
  void DropWrite() { writers_.fetch_sub(1); }
  Result<void> DenyWrite() { return Take(-1); }
  void AllowWrite() { writers_.fetch_add(1); }
  int writers() const { return writers_.load(); }
  // How many open file descriptions refer to it by a path.
  int opens() const { return opens_.load(); }

 protected:
  ~Inode() override;

 private:
  friend class File;
  Result<void> Take(int direction);

  FileSystem& fs_;
  std::atomic<FileLocks*> locks_{nullptr};
  std::atomic<int> writers_{0};  // negative: so many forbid writing
  std::atomic<int> opens_{0};
};

// A mounted filesystem instance. Kept alive by its mounts and inodes' open files through Mount.
class FileSystem : public RefCounted {
 public:
  explicit FileSystem(uint64_t dev) : dev_(dev) {}
  uint64_t dev() const { return dev_; }       // st_dev, makedev(0, minor)
  virtual std::string_view type() const = 0;  // as in /proc/filesystems: "tmpfs", "proc", "overlay"
  virtual RefPtr<Inode> root() = 0;
  virtual Result<struct statfs> Statfs() = 0;
  virtual std::string options() const { return ""; }  // extra options shown in /proc/self/mountinfo
  virtual Result<void> Sync() { return {}; }
  // Its inodes hold so much that only few names should be cached.
  virtual bool IsCrowded() const { return false; }

 private:
  const uint64_t dev_;
};

}  // namespace runsc
