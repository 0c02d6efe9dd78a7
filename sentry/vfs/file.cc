// Open file descriptions: defaults, and the offset of seekable files.
#include "sentry/vfs/file.h"

#include <unistd.h>

#include "sentry/kernel/task.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_locks.h"
#include "sentry/vfs/mount.h"

namespace runsc {

File::File(Path path, int flags) : path_(std::move(path)), flags_(flags) {}

File::~File() {
  Inode* inode = path_ ? path_.dentry->inode().get() : nullptr;
  if (inode == nullptr) return;
  if (FileLocks* locks = inode->locks_if_any()) locks->ReleaseFile(*this);
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

Result<size_t> SeekableFile::Read(Task& task, IoSink& dst, const int64_t* offset) {
  if (offset != nullptr) return ReadAt(task, dst, *offset);
  std::lock_guard<std::mutex> l(position_mu_);
  const int64_t at = offset_.load(std::memory_order_relaxed);
  const size_t n = TRY(ReadAt(task, dst, at));
  offset_.store(at + static_cast<int64_t>(n), std::memory_order_relaxed);
  return n;
}

Result<size_t> SeekableFile::Write(Task& task, IoSource& src, const int64_t* offset) {
  int64_t end = 0;
  if (offset != nullptr) return WriteAt(task, src, *offset, &end);
  std::lock_guard<std::mutex> l(position_mu_);
  const size_t n = TRY(WriteAt(task, src, offset_.load(std::memory_order_relaxed), &end));
  offset_.store(end, std::memory_order_relaxed);
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
