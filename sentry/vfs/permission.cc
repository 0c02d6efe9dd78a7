// The permission rules of files, as path_resolution(7), inode(7) and capabilities(7) give them.
#include "sentry/vfs/permission.h"

#include <linux/fs.h>
#include <unistd.h>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/posix_acl.h"

namespace runsc {
namespace {

constexpr uint32_t kAnyExec = S_IXUSR | S_IXGRP | S_IXOTH;

uint32_t BitsFor(const Credentials& creds, const Attr& attr) {
  if (creds.fsuid == attr.uid) return attr.mode >> 6 & 7;
  if (creds.InGroup(attr.gid)) return attr.mode >> 3 & 7;
  return attr.mode & 7;
}

bool OverriddenByCapability(const Credentials& creds, const Attr& attr, int mask) {
  if (attr.IsDir()) {
    if (!(mask & W_OK) && creds.HasOver(attr.uid, attr.gid, CAP_DAC_READ_SEARCH)) return true;
    return creds.HasOver(attr.uid, attr.gid, CAP_DAC_OVERRIDE);
  }
  if (mask == R_OK && creds.HasOver(attr.uid, attr.gid, CAP_DAC_READ_SEARCH)) return true;
  // Nobody executes what has no execute bit at all.
  if ((mask & X_OK) && !(attr.mode & kAnyExec)) return false;
  return creds.HasOver(attr.uid, attr.gid, CAP_DAC_OVERRIDE);
}

bool StickyForbids(const Credentials& creds, const Attr& dir, const Attr& child) {
  return (dir.mode & S_ISVTX) && creds.fsuid != child.uid && creds.fsuid != dir.uid &&
         !creds.HasOver(child.uid, child.gid, CAP_FOWNER);
}

}  // namespace

bool OwnsOrCapable(const Credentials& creds, const Attr& attr) {
  return creds.fsuid == attr.uid || creds.HasOver(attr.uid, attr.gid, CAP_FOWNER);
}

Result<void> CheckMode(const Credentials& creds, const Attr& attr, int mask) {
  mask &= R_OK | W_OK | X_OK;
  if ((BitsFor(creds, attr) & mask) == static_cast<uint32_t>(mask)) return {};
  if (OverriddenByCapability(creds, attr, mask)) return {};
  return Errno(EACCES);
}

Result<void> CheckSearch(const Credentials& creds, const Path& dir) {
  if (!dir.dentry->IsDir()) return Errno(ENOTDIR);
  if (creds.Has(CAP_DAC_READ_SEARCH) || creds.Has(CAP_DAC_OVERRIDE)) return {};
  Inode& inode = *dir.dentry->inode();
  return CheckInode(creds, inode, TRY(inode.GetAttr()), X_OK);
}

Result<void> CheckCreate(const Credentials& creds, const Path& dir) {
  if (dir.dentry->unlinked()) return Errno(ENOENT);
  TRY(CheckNotFrozen(*dir.dentry->inode(), false));
  Inode& inode = *dir.dentry->inode();
  return CheckInode(creds, inode, TRY(inode.GetAttr()), W_OK | X_OK);
}

Result<void> CheckDelete(const Credentials& creds, const Path& dir, const Dentry& child, bool as_dir) {
  const Attr dir_attr = TRY(dir.dentry->inode()->GetAttr());
  TRY(CheckNotFrozen(*dir.dentry->inode(), false));
  TRY(CheckInode(creds, *dir.dentry->inode(), dir_attr, W_OK | X_OK));
  TRY(CheckNotFrozen(*dir.dentry->inode()));
  TRY(CheckNotFrozen(*child.inode()));
  if (StickyForbids(creds, dir_attr, TRY(child.inode()->GetAttr()))) return Errno(EPERM);
  if (as_dir && !child.IsDir()) return Errno(ENOTDIR);
  if (!as_dir && child.IsDir()) return Errno(EISDIR);
  return {};
}

Result<void> CheckNotFrozen(Inode& inode, bool append_too) {
  const Result<uint32_t> flags = inode.GetFlags();
  const uint32_t frozen = FS_IMMUTABLE_FL | (append_too ? FS_APPEND_FL : 0u);
  return flags.ok() && (*flags & frozen) ? Errno(EPERM) : Result<void>();
}

uint32_t WithoutSetIds(uint32_t mode) {
  mode &= ~uint32_t{S_ISUID};
  if (mode & S_IXGRP) mode &= ~uint32_t{S_ISGID};
  return mode;
}

NewFile NewFileIn(const Credentials& creds, const Attr& dir, uint32_t mode) {
  NewFile file{.mode = mode, .uid = creds.fsuid, .gid = creds.fsgid};
  if (!(dir.mode & S_ISGID)) return file;
  file.gid = dir.gid;
  if (S_ISDIR(mode)) {
    file.mode |= S_ISGID;
  } else if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && !creds.InGroup(dir.gid) && !creds.Has(CAP_FSETID)) {
    file.mode &= ~uint32_t{S_ISGID};
  }
  return file;
}

}  // namespace runsc
