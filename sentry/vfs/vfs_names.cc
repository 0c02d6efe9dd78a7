// Vfs: making, removing and moving names.
#include <sys/stat.h>
#include <unistd.h>

#include "sentry/kernel/task.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/path_walk.h"
#include "sentry/vfs/permission.h"
#include "sentry/vfs/posix_acl.h"
#include "sentry/vfs/vfs_impl.h"

namespace runsc {
namespace {

using LastKind = PathWalk::LastKind;

// Runs `make(directory inode, name, parent attributes)` where `path` points, by the rules all calls
// that add a name share. Its result becomes the new name's inode.
template <typename Make>
Result<Path> AddName(PathWalk& walk, const Resolver& r, std::string_view path, bool may_have_slash, Make make) {
  TRY(walk.ToParent(path));
  if (walk.last_kind() != LastKind::kName) return Errno(EEXIST);
  const Path& dir = walk.at();
  std::lock_guard<std::mutex> l(dir.dentry->names_mu());
  DentryTree& tree = *dir.mount->tree();
  auto existing = tree.Lookup(*dir.dentry, walk.last_name());
  if (existing.ok()) return Errno(EEXIST);
  if (!(existing.error() == Errno(ENOENT))) return existing.error();
  if (walk.trailing_slash() && !may_have_slash) return Errno(ENOENT);
  TRY(Vfs::CheckWritable(dir));
  RefPtr<Inode> inode = TRY(make(dir, walk.last_name()));
  Path added(dir.mount, TRY(tree.Added(*dir.dentry, walk.last_name(), std::move(inode))));
  notify::Name(*dir.dentry->inode(), walk.last_name(), added.dentry->IsDir(), IN_CREATE);
  return added;
}

Result<RefPtr<Inode>> CreateIn(const Resolver& r, const Path& dir, const std::string& name, uint32_t mode,
                               uint64_t rdev, std::string_view target) {
  TRY(CheckCreate(*r.creds, dir));
  Inode& parent = *dir.dentry->inode();
  const InheritedAcl acl = InheritAcl(parent, r.umask, &mode);
  NewFile file = NewFileIn(*r.creds, TRY(parent.GetAttr()), mode);
  file.rdev = rdev;
  file.symlink_target = target;
  RefPtr<Inode> made = TRY(parent.Create(name, file));
  TRY(ApplyInherited(*made, acl));
  return made;
}

// Which node types mknod(2) makes, and what they need.
Result<uint32_t> CheckNodeType(const Resolver& r, uint32_t mode, uint64_t rdev) {
  switch (mode & S_IFMT) {
    case 0:
      return mode | S_IFREG;
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
      return mode;
    case S_IFCHR:
    case S_IFBLK:
      if (!r.creds->Has(CAP_MKNOD)) return Errno(EPERM);
      return mode;
    case S_IFDIR:
      return Errno(EPERM);
    default:
      return Errno(EINVAL);
  }
}

// fs.protected_hardlinks: others' files may be linked only if they could be written anyway.
Result<void> CheckMayLink(const Credentials& creds, const Attr& attr) {
  if (OwnsOrCapable(creds, attr)) return {};
  const bool set_gid_program = (attr.mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
  if (!attr.IsRegular() || (attr.mode & S_ISUID) || set_gid_program) return Errno(EPERM);
  return CheckMode(creds, attr, R_OK | W_OK).ok() ? Result<void>() : Errno(EPERM);
}

void TellRemoved(const Path& dir, const std::string& name, const Dentry& victim) {
  if (!notify::Watched()) return;
  notify::IfGone(*victim.inode(), victim.IsDir());
  notify::Name(*dir.dentry->inode(), name, victim.IsDir(), IN_DELETE);
}

// Looks up what is to be removed, under names_mu.
Result<RefPtr<Dentry>> FindVictim(const PathWalk& walk) {
  const Path& dir = walk.at();
  return dir.mount->tree()->Lookup(*dir.dentry, walk.last_name());
}

}  // namespace

Result<Path> Vfs::MknodPath(const Resolver& r, const Path& start, std::string_view path, uint32_t mode, uint64_t rdev) {
  PathWalk walk(r, impl_->mounts, start);
  return AddName(walk, r, path, false, [&](const Path& dir, const std::string& name) -> Result<RefPtr<Inode>> {
    return CreateIn(r, dir, name, TRY(CheckNodeType(r, mode, rdev)), rdev, "");
  });
}

Result<void> Vfs::Mknod(const Resolver& r, const Path& start, std::string_view path, uint32_t mode, uint64_t rdev) {
  TRY(MknodPath(r, start, path, mode, rdev));
  return {};
}

Result<void> Vfs::Mkdir(const Resolver& r, const Path& start, std::string_view path, uint32_t mode) {
  PathWalk walk(r, impl_->mounts, start);
  TRY(AddName(walk, r, path, true, [&](const Path& dir, const std::string& name) {
    return CreateIn(r, dir, name, S_IFDIR | (mode & 01777), 0, "");
  }));
  return {};
}

Result<void> Vfs::Symlink(const Resolver& r, std::string_view target, const Path& start, std::string_view path) {
  if (target.empty()) return Errno(ENOENT);
  PathWalk walk(r, impl_->mounts, start);
  TRY(AddName(walk, r, path, false, [&](const Path& dir, const std::string& name) {
    return CreateIn(r, dir, name, S_IFLNK | 0777, 0, target);
  }));
  return {};
}

Result<void> Vfs::Link(const Resolver& r, const Path& old_path, const Path& start, std::string_view path) {
  PathWalk walk(r, impl_->mounts, start);
  TRY(AddName(walk, r, path, false, [&](const Path& dir, const std::string& name) -> Result<RefPtr<Inode>> {
    if (dir.mount != old_path.mount) return Errno(EXDEV);
    RefPtr<Inode> inode = old_path.dentry->inode();
    TRY(CheckNotFrozen(*inode));
    TRY(CheckMayLink(*r.creds, TRY(inode->GetAttr())));
    TRY(CheckCreate(*r.creds, dir));
    if (old_path.dentry->IsDir()) return Errno(EPERM);
    TRY(dir.dentry->inode()->Link(name, *inode));
    notify::Self(*inode, false, IN_ATTRIB);
    return inode;
  }));
  return {};
}

Result<void> Vfs::Unlink(const Resolver& r, const Path& start, std::string_view path) {
  PathWalk walk(r, impl_->mounts, start);
  TRY(walk.ToParent(path));
  if (walk.last_kind() != LastKind::kName) return Errno(EISDIR);
  const Path& dir = walk.at();
  TRY(CheckWritable(dir));
  RefPtr<Dentry> victim;  // its data may go with it: not under the lock
  std::lock_guard<std::mutex> l(dir.dentry->names_mu());
  victim = TRY(FindVictim(walk));
  if (walk.trailing_slash()) return victim->IsDir() ? Errno(EISDIR) : Errno(ENOTDIR);
  TRY(CheckDelete(*r.creds, dir, *victim, false));
  if (victim->is_mount_point()) return Errno(EBUSY);
  TRY(dir.dentry->inode()->Unlink(walk.last_name(), *victim->inode()));
  dir.mount->tree()->Removed(*victim);
  notify::Self(*victim->inode(), false, IN_ATTRIB);
  TellRemoved(dir, walk.last_name(), *victim);
  return {};
}

Result<void> Vfs::Rmdir(const Resolver& r, const Path& start, std::string_view path) {
  PathWalk walk(r, impl_->mounts, start);
  TRY(walk.ToParent(path));
  if (walk.last_kind() == LastKind::kDotDot) return Errno(ENOTEMPTY);
  if (walk.last_kind() == LastKind::kDot) return Errno(EINVAL);
  if (walk.last_kind() == LastKind::kRoot) return Errno(EBUSY);
  const Path& dir = walk.at();
  TRY(CheckWritable(dir));
  RefPtr<Dentry> victim;
  std::lock_guard<std::mutex> l(dir.dentry->names_mu());
  victim = TRY(FindVictim(walk));
  TRY(CheckDelete(*r.creds, dir, *victim, true));
  if (victim->is_mount_point()) return Errno(EBUSY);
  TRY(dir.dentry->inode()->Rmdir(walk.last_name(), *victim->inode()));
  dir.mount->tree()->Removed(*victim);
  TellRemoved(dir, walk.last_name(), *victim);
  return {};
}

namespace {

// rename(2) once both parents are known.
class Renamer {
 public:
  Renamer(const Resolver& r, const PathWalk& from, const PathWalk& to, uint32_t flags)
      : r_(r), from_(from), to_(to), flags_(flags), tree_(*from.at().mount->tree()) {}

  Result<void> Run();

 private:
  Result<void> LookUpBoth();
  Result<void> CheckShape();
  Result<void> CheckRights();
  void Tell();
  static void TellMove(const Dentry& what, const PathWalk& from, const PathWalk& to);
  Dentry& old_dir() { return *from_.at().dentry; }
  Dentry& new_dir() { return *to_.at().dentry; }
  bool exchange() const { return flags_ & RENAME_EXCHANGE; }

  const Resolver& r_;
  const PathWalk& from_;
  const PathWalk& to_;
  const uint32_t flags_;
  DentryTree& tree_;
  RefPtr<Dentry> child_, target_;
};

Result<void> Renamer::LookUpBoth() {
  child_ = TRY(tree_.Lookup(old_dir(), from_.last_name()));
  auto target = tree_.Lookup(new_dir(), to_.last_name());
  if (target.ok()) {
    target_ = std::move(*target);
  } else if (!(target.error() == Errno(ENOENT))) {
    return target.error();
  }
  if ((flags_ & RENAME_NOREPLACE) && target_) return Errno(EEXIST);
  if (exchange() && !target_) return Errno(ENOENT);
  return {};
}

Result<void> Renamer::CheckShape() {
  if (exchange() && !target_->IsDir() && to_.trailing_slash()) return Errno(ENOTDIR);
  if (!child_->IsDir()) {
    if (from_.trailing_slash() || (!exchange() && to_.trailing_slash())) return Errno(ENOTDIR);
  }
  if (tree_.IsAncestor(*child_, new_dir())) return Errno(EINVAL);
  if (target_ && tree_.IsAncestor(*target_, old_dir())) return exchange() ? Errno(EINVAL) : Errno(ENOTEMPTY);
  return {};
}

// The ".." of a directory that changes its parent is written.
Result<void> CheckReparent(const Credentials& creds, const Dentry& dir) {
  if (!dir.IsDir()) return {};
  return CheckInode(creds, *dir.inode(), TRY(dir.inode()->GetAttr()), W_OK);
}

Result<void> Renamer::CheckRights() {
  const Credentials& creds = *r_.creds;
  TRY(CheckDelete(creds, from_.at(), *child_, child_->IsDir()));
  if (target_) {
    const bool as_dir = exchange() ? target_->IsDir() : child_->IsDir();
    TRY(CheckDelete(creds, to_.at(), *target_, as_dir));
  } else {
    TRY(CheckCreate(creds, to_.at()));
  }
  if (&old_dir() != &new_dir()) {
    TRY(CheckReparent(creds, *child_));
    if (exchange()) TRY(CheckReparent(creds, *target_));
  }
  if (child_->is_mount_point() || (target_ && target_->is_mount_point())) return Errno(EBUSY);
  return {};
}

Result<void> Renamer::Run() {
  TRY(LookUpBoth());
  TRY(CheckShape());
  if (target_ && target_->inode() == child_->inode()) return {};
  TRY(CheckRights());
  TRY(old_dir().inode()->Rename(from_.last_name(), *child_->inode(), *new_dir().inode(), to_.last_name(),
                                target_ ? target_->inode().get() : nullptr, flags_));
  if (exchange()) {
    tree_.Exchanged(*child_, *target_);
  } else {
    tree_.Moved(*child_, new_dir(), to_.last_name(), target_.get());
  }
  Tell();
  return {};
}

void Renamer::TellMove(const Dentry& what, const PathWalk& from, const PathWalk& to) {
  const uint32_t cookie = notify::NewCookie();
  notify::Name(*from.at().dentry->inode(), from.last_name(), what.IsDir(), IN_MOVED_FROM, cookie);
  notify::Name(*to.at().dentry->inode(), to.last_name(), what.IsDir(), IN_MOVED_TO, cookie);
}

void Renamer::Tell() {
  if (!notify::Watched()) return;
  TellMove(*child_, from_, to_);
  if (exchange()) TellMove(*target_, to_, from_);
  notify::Self(*child_->inode(), child_->IsDir(), IN_MOVE_SELF);
  if (!target_) return;
  if (exchange()) {
    notify::Self(*target_->inode(), target_->IsDir(), IN_MOVE_SELF);
    return;
  }
  if (!target_->IsDir()) notify::Self(*target_->inode(), false, IN_ATTRIB);
  notify::IfGone(*target_->inode(), target_->IsDir());
}

// Both directories' name locks; moves between directories are one at a time, so that ancestry holds still.
Result<void> RunLocked(Renamer& renamer, const Path& a, const Path& b) {
  if (a.dentry == b.dentry) {
    std::lock_guard<std::mutex> l(a.dentry->names_mu());
    return renamer.Run();
  }
  std::lock_guard<std::mutex> moving(a.mount->tree()->rename_mu());
  std::scoped_lock l(a.dentry->names_mu(), b.dentry->names_mu());
  return renamer.Run();
}

}  // namespace

Result<void> Vfs::CheckParent(const Resolver& r, const Path& start, std::string_view path) {
  PathWalk walk(r, impl_->mounts, start);
  return walk.ToParent(path);
}

Result<void> Vfs::Rename(const Resolver& r, const Path& old_start, std::string_view old_path, const Path& new_start,
                         std::string_view new_path, uint32_t flags) {
  PathWalk from(r, impl_->mounts, old_start), to(r, impl_->mounts, new_start);
  TRY(from.ToParent(old_path));
  TRY(to.ToParent(new_path));
  if (from.at().mount != to.at().mount) return Errno(EXDEV);
  if (from.last_kind() != LastKind::kName) return Errno(EBUSY);
  if (to.last_kind() != LastKind::kName) return flags & RENAME_NOREPLACE ? Errno(EEXIST) : Errno(EBUSY);
  TRY(CheckWritable(from.at()));
  Renamer renamer(r, from, to, flags);
  return RunLocked(renamer, from.at(), to.at());
}

}  // namespace runsc
