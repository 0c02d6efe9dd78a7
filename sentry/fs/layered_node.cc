// Attributes, extended attributes and life of tmpfs and overlay nodes.
#include <linux/fs.h>
#include <linux/limits.h>
#include <sys/xattr.h>

#include <vector>

#include "sentry/fs/layered_dir.h"
#include "sentry/fs/layered_file.h"
#include "sentry/vfs/device.h"

namespace runsc {
namespace {

// What one file's extended attributes may take, so that they cannot be used to fill the sentry's memory.
constexpr size_t kMaxXattrBytes = 128 * 1024;

timespec TimeOf(const timespec& wanted, const timespec& now) { return wanted.tv_nsec == UTIME_NOW ? now : wanted; }

}  // namespace

LayeredNode::LayeredNode(LayeredFs& fs, const Attr& attr, RefPtr<Inode> lower, std::string symlink_target)
    : Inode(fs),
      attr_(attr),
      layered_(fs),
      lower_(std::move(lower)),
      ino_(lower_ ? attr.ino : fs.NewIno()),
      type_(attr.mode & S_IFMT),
      symlink_target_(std::move(symlink_target)),
      xattrs_loaded_(!lower_) {
  if (lower_) lower_key_ = {attr.dev, attr.ino};
  attr_.dev = fs.dev();
  attr_.ino = ino_;
  if (!lower_) fs.AccountInodes(1);
}

LayeredNode::~LayeredNode() {
  if (!lower_) layered_.AccountInodes(-1);
}

RefPtr<LayeredNode> LayeredNode::Make(LayeredFs& fs, const Attr& attr, RefPtr<Inode> lower,
                                      std::string symlink_target) {
  if (attr.IsDir()) return MakeRef<LayeredDir>(fs, attr, std::move(lower), "");
  if (attr.IsRegular()) return MakeRef<LayeredFile>(fs, attr, std::move(lower));
  return MakeRef<LayeredNode>(fs, attr, std::move(lower), std::move(symlink_target));
}

Attr LayeredNode::NewAttr(LayeredFs& fs, const NewFile& file) {
  Attr attr;
  attr.mode = file.mode;
  attr.uid = file.uid;
  attr.gid = file.gid;
  attr.rdev = file.rdev;
  attr.nlink = S_ISDIR(file.mode) ? 2 : 1;
  // Disk filesystems show at least a block for a directory, tmpfs a few bytes.
  attr.size = S_ISDIR(file.mode) ? fs.new_dir_size() : file.symlink_target.size();
  attr.atime = attr.mtime = attr.ctime = CoarseNow();
  attr.btime = attr.ctime;
  return attr;
}

// A whole tree may go at once: by a loop, not by recursion on a task's small stack.
void LayeredNode::OnLastRef() {
  thread_local std::vector<LayeredNode*>* draining = nullptr;
  if (lower_) layered_.Forget(*this);
  if (draining != nullptr) {
    draining->push_back(this);
    return;
  }
  std::vector<LayeredNode*> pending = {this};
  draining = &pending;
  while (!pending.empty()) {
    LayeredNode* dead = pending.back();
    pending.pop_back();
    delete dead;
  }
  draining = nullptr;
}

Result<Attr> LayeredNode::GetAttr() {
  MutexLock l(mu_);
  return attr_;
}

void LayeredNode::ApplyLocked(const AttrChange& change) {
  const timespec now = CoarseNow();
  if (change.mode) attr_.mode = type_ | (*change.mode & 07777);
  if (change.uid) attr_.uid = *change.uid;
  if (change.gid) attr_.gid = *change.gid;
  if (change.atime) attr_.atime = TimeOf(*change.atime, now);
  if (change.mtime) attr_.mtime = TimeOf(*change.mtime, now);
  attr_.ctime = now;
}

Result<void> LayeredNode::SetAttr(const AttrChange& change) {
  if (change.size) return IsDir() ? Errno(EISDIR) : Errno(EINVAL);
  {
    MutexLock l(mu_);
    ApplyLocked(change);
  }
  Dirty();
  return {};
}

void LayeredNode::Dirty() {
  if (!lower_ || pinned_.exchange(true, std::memory_order_acq_rel)) return;
  MutexLock l(layered_.tree_mu());
  if (links() > 0) layered_.PinLocked(*this);
}

void LayeredNode::AddLinks(int delta) {
  MutexLock l(mu_);
  attr_.nlink += delta;
  attr_.ctime = CoarseNow();
}

uint32_t LayeredNode::links() const {
  MutexLock l(mu_);
  return static_cast<uint32_t>(attr_.nlink);
}

void LayeredNode::Touch() {
  MutexLock l(mu_);
  attr_.mtime = attr_.ctime = CoarseNow();
}

Result<std::string> LayeredNode::Readlink(Task& task) {
  if (!S_ISLNK(type_)) return Errno(EINVAL);
  return lower_ ? lower_->Readlink(task) : Result<std::string>(symlink_target_);
}

Result<RefPtr<File>> LayeredNode::Open(Task& task, const Path& path, int flags) {
  if (S_ISLNK(type_)) return Errno(ELOOP);
  return OpenSpecial(task, RefPtr<Inode>(this), TRY(GetAttr()), path, flags);
}

Result<std::string> LayeredNode::GetXattr(std::string_view name) {
  TRY(LoadXattrs());
  MutexLock l(mu_);
  const auto it = xattrs_.find(name);
  return it != xattrs_.end() ? Result<std::string>(it->second) : Errno(ENODATA);
}

Result<std::vector<std::string>> LayeredNode::ListXattr() {
  {
    MutexLock l(mu_);
    std::vector<std::string> names;
    for (const auto& [name, value] : xattrs_) names.push_back(name);
    if (xattrs_loaded_) return names;
  }
  return lower_->ListXattr();
}

Result<uint32_t> LayeredNode::GetFlags() {
  if (!IsDir() && !S_ISREG(type_)) return Errno(ENOTTY);
  return flags_.load(std::memory_order_relaxed);
}

Result<void> LayeredNode::SetFlags(uint32_t flags) {
  constexpr uint32_t kKept = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL;
  if (!IsDir() && !S_ISREG(type_)) return Errno(ENOTTY);
  if (flags & ~kKept) return Errno(EOPNOTSUPP);
  flags_ = flags;
  {
    MutexLock l(mu_);
    attr_.ctime = CoarseNow();
  }
  Dirty();
  return {};
}

// What the lower inode has becomes ours, once: access lists are asked for again and again.
Result<void> LayeredNode::LoadXattrs() {
  {
    MutexLock l(mu_);
    if (xattrs_loaded_) return {};
  }
  std::map<std::string, std::string, std::less<>> loaded;
  size_t bytes = 0;
  Result<std::vector<std::string>> names = lower_->ListXattr();
  if (names.ok()) {
    for (const std::string& name : *names) {
      Result<std::string> value = lower_->GetXattr(name);
      if (!value.ok()) continue;
      bytes += name.size() + value->size();
      loaded[name] = std::move(*value);
    }
  }
  MutexLock l(mu_);
  if (xattrs_loaded_) return {};
  xattrs_ = std::move(loaded);
  xattr_bytes_ = bytes;
  xattrs_loaded_ = true;
  return {};
}

Result<void> LayeredNode::SetXattr(std::string_view name, std::string_view value, int flags) {
  TRY(LoadXattrs());
  {
    MutexLock l(mu_);
    const auto it = xattrs_.find(name);
    if (it != xattrs_.end() && (flags & XATTR_CREATE)) return Errno(EEXIST);
    if (it == xattrs_.end() && (flags & XATTR_REPLACE)) return Errno(ENODATA);
    const size_t old = it != xattrs_.end() ? name.size() + it->second.size() : 0;
    const size_t bytes = xattr_bytes_ - old + name.size() + value.size();
    if (bytes > kMaxXattrBytes) return Errno(ENOSPC);
    xattr_bytes_ = bytes;
    xattrs_.insert_or_assign(std::string(name), std::string(value));
    attr_.ctime = CoarseNow();
  }
  Dirty();
  return {};
}

Result<void> LayeredNode::RemoveXattr(std::string_view name) {
  TRY(LoadXattrs());
  {
    MutexLock l(mu_);
    const auto it = xattrs_.find(name);
    if (it == xattrs_.end()) return Errno(ENODATA);
    xattr_bytes_ -= name.size() + it->second.size();
    xattrs_.erase(it);
    attr_.ctime = CoarseNow();
  }
  Dirty();
  return {};
}

}  // namespace runsc
