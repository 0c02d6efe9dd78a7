// Path resolution and every operation on names: the rules of path_resolution(7), over mounts.
#pragma once

#include <linux/openat2.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file.h"
#include "sentry/vfs/inode.h"
#include "sentry/vfs/mount.h"

namespace runsc {

// Who resolves: the root he sees, his credentials and umask. Made by Task::resolver().
struct Resolver {
  Task& task;
  Path root;
  CredentialsRef creds;
  uint32_t umask = 0;
};

struct OpenHow {
  int flags = 0;         // O_*
  uint32_t mode = 0;     // before the umask
  uint64_t resolve = 0;  // RESOLVE_* of openat2
};

// The mount tree of one mount namespace.
class Vfs : public RefCounted {
 public:
  Vfs();
  ~Vfs() override;

  // Flags of Lookup.
  static constexpr uint32_t kNoFollow = 1;   // do not follow a symlink in the last component
  static constexpr uint32_t kDirectory = 2;  // the result must be a directory
  static constexpr uint32_t kEmptyPath = 4;  // "" means `start` itself (AT_EMPTY_PATH)
  // Resolves `path` from `start` (ignored if absolute). RESOLVE_* restrictions in `resolve`.
  Result<Path> Lookup(const Resolver& r, const Path& start, std::string_view path, uint32_t flags,
                      uint64_t resolve = 0);
  Result<RefPtr<File>> Open(const Resolver& r, const Path& start, std::string_view path, const OpenHow& how);
  // Opens what is already resolved (exec, /proc/PID/fd/N reopen).
  Result<RefPtr<File>> OpenPath(const Resolver& r, const Path& path, int flags);
  Result<void> Mknod(const Resolver& r, const Path& start, std::string_view path, uint32_t mode, uint64_t rdev);
  // As Mknod, and returns the new node (bind of a unix socket).
  Result<Path> MknodPath(const Resolver& r, const Path& start, std::string_view path, uint32_t mode, uint64_t rdev);
  Result<void> Mkdir(const Resolver& r, const Path& start, std::string_view path, uint32_t mode);
  Result<void> Symlink(const Resolver& r, std::string_view target, const Path& start, std::string_view path);
  Result<void> Link(const Resolver& r, const Path& old_path, const Path& start, std::string_view path);
  Result<void> Unlink(const Resolver& r, const Path& start, std::string_view path);
  Result<void> Rmdir(const Resolver& r, const Path& start, std::string_view path);
  Result<void> Rename(const Resolver& r, const Path& old_start, std::string_view old_path, const Path& new_start,
                      std::string_view new_path, uint32_t flags);
  // Whether the walk to the last name of `path` succeeds.
  Result<void> CheckParent(const Resolver& r, const Path& start, std::string_view path);
  Result<std::string> Readlink(const Resolver& r, const Path& path);

  // Attribute changes with chmod/chown/utimensat/truncate's permission rules.
  Result<void> Chmod(const Resolver& r, const Path& path, uint32_t mode);
  // EPERM: who may not give a file away.
  static Result<void> CheckChown(const Credentials& creds, const Attr& attr, std::optional<uid_t> uid,
                                 std::optional<gid_t> gid);
  Result<void> Chown(const Resolver& r, const Path& path, std::optional<uid_t> uid, std::optional<gid_t> gid);
  // Unset times stay; `explicit_times` = not both "now" (needs ownership rather than write permission).
  Result<void> SetTimes(const Resolver& r, const Path& path, std::optional<timespec> atime,
                        std::optional<timespec> mtime, bool explicit_times);
  Result<void> Truncate(const Resolver& r, const Path& path, uint64_t size);

  // R_OK | W_OK | X_OK against mode bits and capabilities; EROFS for writes on read-only mounts.
  Result<void> CheckAccess(const Credentials& creds, const Path& path, int mask);
  static Result<void> CheckPermission(const Credentials& creds, const Attr& attr, int mask);
  // EROFS when the mount is read-only.
  static Result<void> CheckWritable(const Path& path);

  // Mounts.
  Result<Path> MountRoot(RefPtr<FileSystem> fs, uint64_t flags, std::string source);
  Result<void> MountAt(RefPtr<FileSystem> fs, const Path& target, uint64_t flags, std::string source);
  Result<void> BindMount(const Path& source, const Path& target, uint64_t flags);
  Result<void> Unmount(const Path& target, int flags);
  Result<void> Remount(const Path& target, uint64_t flags);
  void SyncAll();  // every mounted filesystem
  Path root() const;

  // Mount namespaces and propagation, mount_namespaces(7) (vfs_namespaces.cc).
  // `kind`: MS_SHARED, MS_PRIVATE, MS_SLAVE or MS_UNBINDABLE.
  Result<void> SetPropagation(const Path& target, uint64_t kind, bool recursive);
  Result<void> MoveMount(const Path& source, const Path& target);
  // `new_root` becomes the root of its namespace, what was at `old_root` goes to `put_old`.
  Result<void> PivotRoot(const Path& new_root, const Path& put_old, const Path& old_root);
  // A copy of the whole tree that `from` is in. Each of `paths` that lies in the old tree is moved to the
  // same place in the new one. `owner`: of the user namespace that the copy belongs to.
  Result<RefPtr<class MountNamespace>> CopyNamespace(const Path& from, RefPtr<UserNamespace> owner,
                                                     bool less_privileged, std::span<Path*> paths);
  // A namespace of its own for `fs` (the first one's root is MountRoot's).
  Result<RefPtr<class MountNamespace>> NewNamespace(RefPtr<FileSystem> fs, uint64_t flags, std::string source);
  // The namespace a path's mount is attached in; 0: none.
  uint64_t NamespaceOf(const Path& path) const;
  Path RootOfNamespace(uint64_t id) const;  // empty: gone
  void DropNamespace(uint64_t id);          // detaches everything in it

  struct MountInfo {
    int id, parent_id;
    uint64_t dev;
    std::string root, target, type, source, options, fs_options;
    std::string propagation;  // "shared:1 ", "master:2 " or empty
  };
  std::vector<MountInfo> Mounts(const Path& root) const;  // for /proc/self/mounts and mountinfo

  // Absolute name of `path` as seen from `root`; " (deleted)" appended when unlinked (d_path).
  // ENOENT-like empty result when unreachable: "(unreachable)/..." prefix as Linux does.
  std::string PathName(const Path& path, const Path& root) const;

  // st_dev numbers for new filesystems.
  static uint64_t NewDev();
  // Keeps at most this many unreferenced names cached per tree.
  void set_cache_limit(size_t names);

 private:
  struct Impl;
  class Opener;
  std::unique_ptr<Impl> impl_;
};

}  // namespace runsc
