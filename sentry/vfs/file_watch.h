// Being told when an open file description goes away, without keeping it alive (epoll's interest lists).
#pragma once

#include "platform/base/mutex.h"

namespace runsc {

class File;

// In at most one file's list. All lists share one lock, taken before any other: descriptions that are
// watched come and go rarely.
class FileWatch {
 public:
  virtual ~FileWatch() = default;
  FileWatch() = default;
  FileWatch(const FileWatch&) = delete;
  static Mutex& Lists();
  void AttachLocked(File& file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(Lists());
  void DetachLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(Lists());
  File* watched() const { return file_; }  // null when detached
  // The last reference to the file went; it is whole until this returns. Called with Lists() held and
  // the watch detached, which may delete itself.
  virtual void OnFileGone() = 0;

 private:
  friend class File;
  static void FileGone(File& file);
  File* file_ = nullptr;
  FileWatch* next_ = nullptr;
  FileWatch* prev_ = nullptr;
};

}  // namespace runsc
