// Path resolution.
#include "sentry/vfs/path_walk.h"

#include <limits.h>

#include "sentry/vfs/permission.h"

namespace runsc {
namespace {

constexpr int kMaxLinks = 40;

// MS_NOSYMFOLLOW; older headers lack it.
constexpr uint64_t kNoSymlinkFollow = 256;

std::string_view SkipSlashes(std::string_view path) {
  const size_t first = path.find_first_not_of('/');
  return first == std::string_view::npos ? std::string_view() : path.substr(first);
}

}  // namespace

// Where the first component is looked up. Also used for symlink targets, which start where the link was.
Result<void> PathWalk::Begin(std::string_view path) {
  const bool absolute = path.front() == '/';
  if (!begun_) {
    begun_ = true;
    if (resolve_ & RESOLVE_CACHED) return Errno(EAGAIN);
    root_ = start_ && (resolve_ & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) ? start_ : r_.root;
    at_ = start_;
  }
  if (!absolute) return at_ ? Result<void>() : Errno(ENOTDIR);
  if (resolve_ & RESOLVE_BENEATH) return Errno(EXDEV);
  if ((resolve_ & RESOLVE_NO_XDEV) && at_ && at_.mount != root_.mount) return Errno(EXDEV);
  at_ = root_;
  return {};
}

Result<void> PathWalk::ToParent(std::string_view path) {
  if (path.empty()) return Errno(ENOENT);
  TRY(Begin(path));
  last_kind_ = LastKind::kRoot;
  must_be_dir_ = false;
  path = SkipSlashes(path);
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    const std::string_view after = SkipSlashes(path.substr(end));
    TRY(CheckSearch(*r_.creds, at_));
    if (name.size() > NAME_MAX) return Errno(ENAMETOOLONG);
    if (after.empty()) {
      last_kind_ = name == "." ? LastKind::kDot : name == ".." ? LastKind::kDotDot : LastKind::kName;
      last_name_ = name;
      must_be_dir_ = end != path.size();
      return {};
    }
    TRY(WalkComponent(name, path));
    path = after;
  }
  return {};
}

Result<void> PathWalk::WalkComponent(std::string_view name, std::string_view rest) {
  if (name == ".") return {};
  if (name == "..") return Up();
  Path child = TRY(Child(name, rest));
  if (!child.dentry->IsSymlink()) {
    at_ = std::move(child);
    return at_.dentry->IsDir() ? Result<void>() : Errno(ENOTDIR);
  }
  const std::optional<std::string> target = TRY(Follow(child));
  if (target) TRY(ToEnd(*target, true));
  return at_.dentry->IsDir() ? Result<void>() : Errno(ENOTDIR);
}

Result<Path> PathWalk::Child(std::string_view name, std::string_view rest) {
  RefPtr<Dentry> dentry = TRY(at_.dentry->tree().Lookup(*at_.dentry, name, rest));
  Path child(at_.mount, std::move(dentry));
  TRY(Cross(child));
  return child;
}

Result<void> PathWalk::Cross(Path& path) {
  if (!mounts_.Descend(path)) return {};
  return resolve_ & RESOLVE_NO_XDEV ? Errno(EXDEV) : Result<void>();
}

Result<void> PathWalk::Up() {
  for (;;) {
    if (at_ == root_) {
      if (resolve_ & RESOLVE_BENEATH) return Errno(EXDEV);
      break;
    }
    if (at_.dentry != at_.mount->root()) {
      at_.dentry = at_.dentry->parent();
      break;
    }
    if (!mounts_.Ascend(at_)) break;
    if (resolve_ & RESOLVE_NO_XDEV) return Errno(EXDEV);
  }
  return Cross(at_);
}

Result<std::optional<std::string>> PathWalk::Follow(const Path& link) {
  if (++links_ > kMaxLinks) return Errno(ELOOP);
  if (resolve_ & RESOLVE_NO_SYMLINKS) return Errno(ELOOP);
  if (link.mount->flags() & kNoSymlinkFollow) return Errno(ELOOP);
  Inode& inode = *link.dentry->inode();
  std::optional<Path> magic = TRY(inode.MagicLink(r_.task));
  if (magic) {
    TRY(JumpTo(std::move(*magic)));
    return std::optional<std::string>();
  }
  std::string target = TRY(inode.Readlink(r_.task));
  if (target.empty()) return Errno(ENOENT);
  return std::optional<std::string>(std::move(target));
}

Result<void> PathWalk::JumpTo(Path target) {
  if (resolve_ & RESOLVE_NO_MAGICLINKS) return Errno(ELOOP);
  if (resolve_ & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) return Errno(EXDEV);
  if ((resolve_ & RESOLVE_NO_XDEV) && target.mount != at_.mount) return Errno(EXDEV);
  if (!target) return Errno(ENOENT);
  at_ = std::move(target);
  return {};
}

Result<PathWalk::Step> PathWalk::StepLast(bool follow) {
  if (last_kind_ == LastKind::kRoot || last_kind_ == LastKind::kDot) return Step::kArrived;
  if (last_kind_ == LastKind::kDotDot) {
    TRY(Up());
    return Step::kArrived;
  }
  const std::string name = last_name_;
  Path child = TRY(Child(name, name));
  if (!child.dentry->IsSymlink() || !(follow || must_be_dir_)) {
    at_ = std::move(child);
    return Step::kArrived;
  }
  const bool must_be_dir = must_be_dir_;
  const std::optional<std::string> target = TRY(Follow(child));
  if (!target) return Step::kArrived;
  TRY(ToParent(*target));
  must_be_dir_ |= must_be_dir;
  return Step::kMoved;
}

Result<void> PathWalk::ToLast(bool follow) {
  while (TRY(StepLast(follow)) == Step::kMoved) {
  }
  return must_be_dir_ && !at_.dentry->IsDir() ? Errno(ENOTDIR) : Result<void>();
}

Result<void> PathWalk::ToEnd(std::string_view path, bool follow) {
  TRY(ToParent(path));
  return ToLast(follow);
}

}  // namespace runsc
