// Advisory locks of one inode: flock(2), fcntl(2)'s POSIX and open-file-description locks, and leases.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "platform/base/mutex.h"
#include "platform/base/result.h"
#include "sentry/vfs/wait_queue.h"

namespace runsc {

class File;
class Inode;

// Who holds a lock: a descriptor table (POSIX locks) or an open file description (OFD locks, flock).
using LockOwner = const void*;

struct RangeLock {
  LockOwner owner = nullptr;
  int pid = 0;  // reported by F_GETLK; -1 for OFD locks
  bool write = false;
  int64_t start = 0, end = 0;  // inclusive; INT64_MAX: to the end of the file
  const File* file = nullptr;  // through which it was taken; only compared
};

// A lease as fcntl(F_SETLEASE) makes it: whoever opens the file in a conflicting way waits until it is
// given up, or its time is over.
struct Lease {
  const File* file = nullptr;
  int type = 2;              // F_RDLCK or F_WRLCK; F_UNLCK: none
  int target = 2;            // what it is being broken to; as `type` when it is not
  int pid = 0;               // who is told, by SIGIO
  uid_t ruid = 0, euid = 0;  // who he was when he took it
  int fd = -1;               // the number the holder knows the file by
};

// Never blocks: EAGAIN when a lock conflicts; whoever wants to wait sleeps on queue() and tries again.
class FileLocks {
 public:
  explicit FileLocks(Inode& inode);
  ~FileLocks();
  Result<void> Lock(const RangeLock& lock);
  void Unlock(LockOwner owner, int64_t start, int64_t end);
  // The first lock that conflicts. False if there is none.
  bool Conflicting(const RangeLock& lock, RangeLock* found) const;

  // The first lock of `range`'s owner that has part of it. False if there is none.
  bool Held(const RangeLock& range, RangeLock* found) const;

  Result<void> Flock(const File& file, bool exclusive, int pid);
  void Unflock(const File& file);

  void ReleaseOwner(LockOwner owner) { Unlock(owner, 0, INT64_MAX); }
  void ReleaseFile(const File& file);
  WaitQueue& queue() { return queue_; }

  // EAGAIN when others have the file open in a way the lease excludes. F_UNLCK gives it up, EAGAIN if
  // there is none.
  Result<void> SetLease(const Lease& lease);
  int LeaseOf(const File& file) const;
  // EAGAIN while a lease is in the way of an open; its holders are to be told once: added to `tell`.
  Result<void> BreakLeases(bool for_write, std::vector<Lease>* tell);
  void DropBrokenLeases();  // their time is over

  // Lines of /proc/locks without their numbers: all, or those taken through one file.
  static std::vector<std::string> DescribeAll();
  std::vector<std::string> Describe(const File* file = nullptr) const;

 private:
  const RangeLock* ConflictLocked(const RangeLock& lock) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool CarveLocked(LockOwner owner, int64_t start, int64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MergeLocked(RangeLock lock) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  struct WholeLock {
    const File* file;
    bool exclusive;
    int pid;
  };
  bool LeaseConflictsLocked(const Lease& lease) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Inode& inode_;  // owns this
  mutable Mutex mu_{LockRank::kInode};
  std::vector<RangeLock> ranges_ ABSL_GUARDED_BY(mu_);
  std::vector<WholeLock> flocks_ ABSL_GUARDED_BY(mu_);
  std::vector<Lease> leases_ ABSL_GUARDED_BY(mu_);
  WaitQueue queue_;
};

// Who waits for whose POSIX locks, so that a circle is refused (EDEADLK) instead of waited for.
class LockWaits {
 public:
  // `waiter` is about to sleep until `holder` unlocks.
  static Result<void> Begin(LockOwner waiter, LockOwner holder);
  static void End(LockOwner waiter);
};

}  // namespace runsc
