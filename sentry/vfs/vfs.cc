// Vfs: construction, lookup, access checks and the names of paths.
#include "sentry/vfs/vfs.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include "sentry/vfs/path_walk.h"
#include "sentry/vfs/permission.h"
#include "sentry/vfs/posix_acl.h"
#include "sentry/vfs/vfs_impl.h"

namespace runsc {

Vfs::Vfs() : impl_(std::make_unique<Impl>()) {}
Vfs::~Vfs() = default;

Result<Path> Vfs::Lookup(const Resolver& r, const Path& start, std::string_view path, uint32_t flags,
                         uint64_t resolve) {
  if (path.empty() && (flags & kEmptyPath)) {
    if (!start) return Errno(ENOENT);
    return start;
  }
  PathWalk walk(r, impl_->mounts, start, resolve);
  TRY(walk.ToEnd(path, !(flags & kNoFollow)));
  if ((flags & kDirectory) && !walk.at().dentry->IsDir()) return Errno(ENOTDIR);
  return walk.TakePath();
}

Result<std::string> Vfs::Readlink(const Resolver& r, const Path& path) {
  if (!path.dentry->IsSymlink()) return Errno(EINVAL);
  return path.dentry->inode()->Readlink(r.task);
}

Result<void> Vfs::CheckPermission(const Credentials& creds, const Attr& attr, int mask) {
  return CheckMode(creds, attr, mask);
}

Result<void> Vfs::CheckWritable(const Path& path) { return path.mount->read_only() ? Errno(EROFS) : Result<void>(); }

Result<void> Vfs::CheckAccess(const Credentials& creds, const Path& path, int mask) {
  const Dentry& dentry = *path.dentry;
  const bool plain = dentry.IsRegular() || dentry.IsDir() || dentry.IsSymlink();
  if ((mask & W_OK) && plain) TRY(CheckWritable(path));
  if ((mask & X_OK) && dentry.IsRegular() && (path.mount->flags() & MS_NOEXEC)) return Errno(EACCES);
  if ((mask & (R_OK | W_OK | X_OK)) == 0) return {};
  return CheckInode(creds, *dentry.inode(), TRY(dentry.inode()->GetAttr()), mask);
}

std::string Vfs::PathName(const Path& path, const Path& root) const {
  std::string name;
  Path at = path;
  bool reached = at == root;
  while (!reached) {
    if (at.dentry == at.mount->root()) {
      if (!impl_->mounts.Ascend(at)) break;
    } else {
      name.insert(0, "/" + at.dentry->name());
      RefPtr<Dentry> parent = at.dentry->parent();
      if (parent == at.dentry) break;
      at.dentry = std::move(parent);
    }
    reached = at == root;
  }
  if (name.empty()) name = "/";
  const bool at_top = at && at == impl_->mounts.RootOf(NamespaceOf(at));
  if (!reached && !at_top) name.insert(0, "(unreachable)");
  if (path.dentry->unlinked()) name += " (deleted)";
  return name;
}

uint64_t Vfs::NewDev() {
  static std::atomic<unsigned> next{20};
  return makedev(0, next++);
}

}  // namespace runsc
