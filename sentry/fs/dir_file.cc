// Reading directories.
#include "sentry/fs/dir_file.h"

#include <dirent.h>
#include <unistd.h>

#include "sentry/fs/dnotify.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"

namespace runsc {

Result<int64_t> DirFile::Seek(Task& task, int64_t offset, int whence) {
  std::lock_guard<std::mutex> l(position_mu_);
  if (whence == SEEK_CUR) {
    offset += offset_;
  } else if (whence != SEEK_SET) {
    return Errno(EINVAL);
  }
  if (offset < 0) return Errno(EINVAL);
  offset_ = offset;
  if (offset == 0) have_snapshot_ = false;
  return offset_;
}

int64_t DirFile::offset_for_fdinfo() const {
  std::lock_guard<std::mutex> l(position_mu_);
  return offset_;
}

void DirFile::OnClose(Task* task) {
  File::OnClose(task);
  if (task != nullptr) EndDirectoryNotice(*this, *task);
}

Result<void> DirFile::TakeSnapshot() {
  entries_ = TRY(path().dentry->inode()->Entries());
  have_snapshot_ = true;
  return {};
}

Result<void> DirFile::Readdir(Task& task, const DirEmit& emit) {
  if (path().dentry->unlinked()) return Errno(ENOENT);
  std::lock_guard<std::mutex> l(position_mu_);
  if (!have_snapshot_) TRY(TakeSnapshot());
  for (; offset_ < 2; ++offset_) {
    const RefPtr<Dentry> dir = offset_ == 0 ? path().dentry : path().dentry->parent();
    const uint64_t ino = TRY(dir->inode()->GetAttr()).ino;
    if (!emit({ino, offset_ + 1, DT_DIR, offset_ == 0 ? "." : ".."})) return {};
  }
  while (offset_ - 2 < static_cast<int64_t>(entries_.size())) {
    DirEntry& entry = entries_[offset_ - 2];
    entry.next_offset = offset_ + 1;
    if (!emit(entry)) return {};
    ++offset_;
  }
  return {};
}

}  // namespace runsc
