// Advisory locks of one inode: flock(2), and fcntl(2)'s POSIX and open-file-description locks.
#pragma once

#include <cstdint>
#include <vector>

#include "platform/base/mutex.h"
#include "platform/base/result.h"
#include "sentry/vfs/wait_queue.h"

namespace runsc {

class File;

// Who holds a lock: a descriptor table (POSIX locks) or an open file description (OFD locks, flock).
using LockOwner = const void*;

struct RangeLock {
  LockOwner owner = nullptr;
  int pid = 0;       // reported by F_GETLK; -1 for OFD locks
  bool write = false;
  int64_t start = 0, end = 0;  // inclusive; INT64_MAX: to the end of the file
};

// Never blocks: EAGAIN when a lock conflicts; whoever wants to wait sleeps on queue() and tries again.
class FileLocks {
 public:
  Result<void> Lock(const RangeLock& lock);
  void Unlock(LockOwner owner, int64_t start, int64_t end);
  // The first lock that conflicts. False if there is none.
  bool Conflicting(const RangeLock& lock, RangeLock* found) const;

  Result<void> Flock(const File& file, bool exclusive);
  void Unflock(const File& file);

  void ReleaseOwner(LockOwner owner) { Unlock(owner, 0, INT64_MAX); }
  void ReleaseFile(const File& file);
  WaitQueue& queue() { return queue_; }

 private:
  const RangeLock* ConflictLocked(const RangeLock& lock) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool CarveLocked(LockOwner owner, int64_t start, int64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MergeLocked(RangeLock lock) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  struct WholeLock {
    const File* file;
    bool exclusive;
  };
  mutable Mutex mu_{LockRank::kInode};
  std::vector<RangeLock> ranges_ ABSL_GUARDED_BY(mu_);
  std::vector<WholeLock> flocks_ ABSL_GUARDED_BY(mu_);
  WaitQueue queue_;
};

}  // namespace runsc
