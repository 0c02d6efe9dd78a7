// Lists of watches, one per watched open file description.
#include "sentry/vfs/file_watch.h"

#include "sentry/vfs/file.h"

namespace runsc {

Mutex& FileWatch::Lists() {
  static Mutex* const mu = new Mutex(LockRank::kFileWatch);
  return *mu;
}

void FileWatch::AttachLocked(File& file) {
  file_ = &file;
  next_ = file.watches_.load();
  prev_ = nullptr;
  if (next_ != nullptr) next_->prev_ = this;
  file.watches_.store(this);
}

void FileWatch::DetachLocked() {
  if (file_ == nullptr) return;
  if (next_ != nullptr) next_->prev_ = prev_;
  if (prev_ != nullptr) {
    prev_->next_ = next_;
  } else {
    file_->watches_.store(next_);
  }
  file_ = nullptr;
}

void FileWatch::FileGone(File& file) {
  MutexLock l(Lists());
  while (FileWatch* watch = file.watches_.load()) {
    watch->DetachLocked();
    watch->OnFileGone();
  }
}

void File::OnLastRef() {
  if (watches_.load(std::memory_order_acquire) != nullptr) FileWatch::FileGone(*this);
  delete this;
}

}  // namespace runsc
