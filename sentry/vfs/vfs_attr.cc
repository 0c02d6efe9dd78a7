// Vfs: attribute changes, with the rules of chmod(2), chown(2), utimensat(2) and truncate(2).
#include <unistd.h>

#include "sentry/vfs/leases.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/permission.h"
#include "sentry/vfs/posix_acl.h"
#include "sentry/vfs/vfs_impl.h"

namespace runsc {
namespace {

bool MayGiveTo(const Credentials& creds, const Attr& attr, gid_t gid) {
  if (creds.HasOver(attr.uid, attr.gid, CAP_CHOWN)) return true;
  return creds.fsuid == attr.uid && (gid == attr.gid || creds.InGroup(gid));
}

// Makes the change and tells watchers.
Result<void> Apply(const Path& path, const AttrChange& change, uint32_t event) {
  TRY(CheckNotFrozen(*path.dentry->inode()));
  TRY(path.dentry->inode()->SetAttr(change));
  notify::Both(*path.dentry, event);
  return {};
}

}  // namespace

Result<void> Vfs::Chmod(const Resolver& r, const Path& path, uint32_t mode) {
  TRY(CheckWritable(path));
  if (path.dentry->IsSymlink()) return Errno(EOPNOTSUPP);
  const Attr attr = TRY(path.dentry->inode()->GetAttr());
  if (!OwnsOrCapable(*r.creds, attr)) return Errno(EPERM);
  mode &= 07777;
  if (!r.creds->InGroup(attr.gid) && !r.creds->HasOver(attr.uid, attr.gid, CAP_FSETID)) mode &= ~uint32_t{S_ISGID};
  AttrChange change;
  change.mode = mode;
  TRY(Apply(path, change, IN_ATTRIB));
  return ChmodAcl(*path.dentry->inode(), mode);
}

Result<void> Vfs::CheckChown(const Credentials& creds, const Attr& attr, std::optional<uid_t> uid,
                             std::optional<gid_t> gid) {
  if (uid && !creds.HasOver(attr.uid, attr.gid, CAP_CHOWN) && (creds.fsuid != attr.uid || *uid != attr.uid))
    return Errno(EPERM);
  return gid && !MayGiveTo(creds, attr, *gid) ? Errno(EPERM) : Result<void>();
}

Result<void> Vfs::Chown(const Resolver& r, const Path& path, std::optional<uid_t> uid, std::optional<gid_t> gid) {
  TRY(CheckWritable(path));
  const Attr attr = TRY(path.dentry->inode()->GetAttr());
  TRY(CheckChown(*r.creds, attr, uid, gid));
  AttrChange change;
  change.uid = uid;
  change.gid = gid;
  const uint32_t safe = WithoutSetIds(attr.mode) & 07777;
  if (attr.IsRegular() && safe != (attr.mode & 07777)) change.mode = safe;
  return Apply(path, change, IN_ATTRIB);
}

Result<void> Vfs::SetTimes(const Resolver& r, const Path& path, std::optional<timespec> atime,
                           std::optional<timespec> mtime, bool explicit_times) {
  TRY(CheckWritable(path));
  const Attr attr = TRY(path.dentry->inode()->GetAttr());
  if (!OwnsOrCapable(*r.creds, attr)) {
    if (explicit_times) return Errno(EPERM);
    TRY(CheckInode(*r.creds, *path.dentry->inode(), attr, W_OK));
  }
  AttrChange change;
  change.atime = atime;
  change.mtime = mtime;
  return Apply(path, change, IN_ATTRIB);
}

Result<void> Vfs::Truncate(const Resolver& r, const Path& path, uint64_t size) {
  if (path.dentry->IsDir()) return Errno(EISDIR);
  if (!path.dentry->IsRegular()) return Errno(EINVAL);
  TRY(CheckWritable(path));
  const Attr attr = TRY(path.dentry->inode()->GetAttr());
  TRY(CheckInode(*r.creds, *path.dentry->inode(), attr, W_OK));
  AttrChange change;
  change.size = size;
  const uint32_t safe = WithoutSetIds(attr.mode) & 07777;
  if (safe != (attr.mode & 07777) && !r.creds->HasOver(attr.uid, attr.gid, CAP_FSETID)) change.mode = safe;
  Inode& inode = *path.dentry->inode();
  TRY(inode.TakeWrite());
  Result<void> changed = AwaitLeases(r.task, inode, true, false);
  if (changed.ok()) changed = Apply(path, change, IN_MODIFY);
  inode.DropWrite();
  return changed;
}

}  // namespace runsc
