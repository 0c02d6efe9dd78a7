// Open file descriptions: defaults, and the offset of seekable files.
#include "sentry/vfs/file.h"

#include <unistd.h>

#include "sentry/kernel/task.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_locks.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/notify.h"

namespace runsc {

File::File(Path path, int flags) : path_(std::move(path)), flags_(flags & ~O_NOCTTY) {
  if (path_) path_.dentry->inode()->opens_.fetch_add(1, std::memory_order_relaxed);
}

File::~File() {
  Inode* inode = path_ ? path_.dentry->inode().get() : nullptr;
  if (inode == nullptr) return;
  if (FileLocks* locks = inode->locks_if_any()) locks->ReleaseFile(*this);
  if (claim_ != Claim::kNone) DropClaim(*inode);
  inode->opens_.fetch_sub(1, std::memory_order_relaxed);
  if (!notify::Watched() || (flags() & O_PATH)) return;
  notify::Both(*path_.dentry, writable() ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
  if (path_.dentry->unlinked()) notify::IfGone(*inode, path_.dentry->IsDir());
}

void File::DropClaim(Inode& inode) {
  if (claim_ == Claim::kWrite) {
    inode.DropWrite();
  } else {
    inode.AllowWrite();
  }
}

Result<void> File::DenyWrites() {
  if (!path_ || claim_ != Claim::kNone) return {};
  TRY(path_.dentry->inode()->DenyWrite());
  claim_ = Claim::kDenyWrite;
  return {};
}

void File::OnClose(Task* task) {
  if (task == nullptr || !path_) return;
  if (FileLocks* locks = path_.dentry->inode()->locks_if_any()) locks->ReleaseOwner(&task->fds());
}

Result<void> File::SetStatusFlags(int flags) {
  constexpr int kChangeable = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;
  int old = flags_.load(std::memory_order_relaxed);
  while (!flags_.compare_exchange_weak(old, (old & ~kChangeable) | (flags & kChangeable))) {
  }
  return {};
}

RefPtr<Inode> File::inode() const { return path_ ? path_.dentry->inode() : nullptr; }

Result<Attr> File::GetAttr() {
  if (path_) return path_.dentry->inode()->GetAttr();
  RefPtr<Inode> node = inode();
  return node ? node->GetAttr() : Errno(EBADF);
}

Result<void> File::SetAttr(const AttrChange& change) {
  RefPtr<Inode> node = inode();
  return node ? node->SetAttr(change) : Errno(EBADF);
}

Result<void> File::Truncate(uint64_t size) {
  AttrChange change;
  change.size = size;
  return SetAttr(change);
}

std::string File::Describe() const { return path_ ? path_.dentry->name() : "anon_inode:[unknown]"; }

namespace {

// Watchers hear of the bytes that moved.
void TellMoved(const Path& path, size_t n, uint32_t event) {
  if (n > 0 && notify::Watched() && path) notify::Both(*path.dentry, event);
}

}  // namespace

Result<size_t> SeekableFile::Read(Task& task, IoSink& dst, const int64_t* offset) {
  size_t n = 0;
  if (offset != nullptr) {
    n = TRY(ReadAt(task, dst, *offset));
  } else {
    std::lock_guard<std::mutex> l(position_mu_);
    const int64_t at = offset_.load(std::memory_order_relaxed);
    n = TRY(ReadAt(task, dst, at));
    offset_.store(at + static_cast<int64_t>(n), std::memory_order_relaxed);
  }
  TellMoved(path(), n, IN_ACCESS);
  return n;
}

Result<size_t> SeekableFile::Write(Task& task, IoSource& src, const int64_t* offset) {
  int64_t end = 0;
  size_t n = 0;
  if (offset != nullptr) {
    n = TRY(WriteAt(task, src, *offset, &end));
  } else {
    std::lock_guard<std::mutex> l(position_mu_);
    n = TRY(WriteAt(task, src, offset_.load(std::memory_order_relaxed), &end));
    offset_.store(end, std::memory_order_relaxed);
  }
  TellMoved(path(), n, IN_MODIFY);
  return n;
}

Result<int64_t> SeekableFile::Seek(Task& task, int64_t offset, int whence) {
  std::lock_guard<std::mutex> l(position_mu_);
  int64_t base = 0;
  switch (whence) {
    case SEEK_SET:
      break;
    case SEEK_CUR:
      base = offset_.load(std::memory_order_relaxed);
      break;
    case SEEK_END:
      base = static_cast<int64_t>(TRY(GetAttr()).size);
      break;
    case SEEK_DATA:
    case SEEK_HOLE:
      offset = TRY(SeekData(offset, whence));
      break;
    default:
      return Errno(EINVAL);
  }
  int64_t target;
  if (__builtin_add_overflow(base, offset, &target)) return Errno(EOVERFLOW);
  if (target < 0) return Errno(EINVAL);
  offset_.store(target, std::memory_order_relaxed);
  return target;
}

}  // namespace runsc
