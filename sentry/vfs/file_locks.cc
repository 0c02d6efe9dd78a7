// Advisory locks: conflicts, splitting and merging of ranges.
#include "sentry/vfs/file_locks.h"

#include <algorithm>

#include "sentry/vfs/inode.h"

namespace runsc {
namespace {

// Anything may lock a file; the memory this takes is bounded.
constexpr size_t kMaxLocksPerFile = 1 << 16;

bool Overlaps(const RangeLock& a, int64_t start, int64_t end) { return a.start <= end && start <= a.end; }

bool Touches(const RangeLock& a, const RangeLock& b) {
  const bool before = a.end != INT64_MAX && a.end + 1 < b.start;
  const bool after = b.end != INT64_MAX && b.end + 1 < a.start;
  return !before && !after;
}

}  // namespace

const RangeLock* FileLocks::ConflictLocked(const RangeLock& lock) const {
  for (const RangeLock& held : ranges_) {
    if (held.owner == lock.owner || !(held.write || lock.write)) continue;
    if (Overlaps(held, lock.start, lock.end)) return &held;
  }
  return nullptr;
}

// Takes [start, end] out of the owner's locks, splitting those that stick out. True if any was touched.
bool FileLocks::CarveLocked(LockOwner owner, int64_t start, int64_t end) {
  std::vector<RangeLock> rest;
  const auto touched = [&](const RangeLock& held) {
    if (held.owner != owner || !Overlaps(held, start, end)) return false;
    RangeLock piece = held;
    if (held.start < start) piece.end = start - 1, rest.push_back(piece);
    piece = held;
    if (held.end > end) piece.start = end + 1, rest.push_back(piece);
    return true;
  };
  const bool any = std::erase_if(ranges_, touched) > 0;
  ranges_.insert(ranges_.end(), rest.begin(), rest.end());
  return any;
}

void FileLocks::MergeLocked(RangeLock lock) {
  std::erase_if(ranges_, [&](const RangeLock& held) {
    if (held.owner != lock.owner || held.write != lock.write || !Touches(held, lock)) return false;
    lock.start = std::min(lock.start, held.start);
    lock.end = std::max(lock.end, held.end);
    return true;
  });
  ranges_.push_back(lock);
}

Result<void> FileLocks::Lock(const RangeLock& lock) {
  bool freed = false;
  {
    MutexLock l(mu_);
    if (ConflictLocked(lock) != nullptr) return Errno(EAGAIN);
    if (ranges_.size() >= kMaxLocksPerFile) return Errno(ENOLCK);
    freed = CarveLocked(lock.owner, lock.start, lock.end);
    MergeLocked(lock);
  }
  if (freed) queue_.Notify(EPOLLIN);  // a write lock may have become a read lock
  return {};
}

void FileLocks::Unlock(LockOwner owner, int64_t start, int64_t end) {
  bool freed = false;
  {
    MutexLock l(mu_);
    freed = CarveLocked(owner, start, end);
  }
  if (freed) queue_.Notify(EPOLLIN);
}

bool FileLocks::Conflicting(const RangeLock& lock, RangeLock* found) const {
  MutexLock l(mu_);
  const RangeLock* conflict = ConflictLocked(lock);
  if (conflict != nullptr) *found = *conflict;
  return conflict != nullptr;
}

bool FileLocks::Held(const RangeLock& range, RangeLock* found) const {
  MutexLock l(mu_);
  for (const RangeLock& held : ranges_) {
    if (held.owner != range.owner || !Overlaps(held, range.start, range.end)) continue;
    *found = held;
    return true;
  }
  return false;
}

// Changing the kind of a lock is not atomic, as flock(2) says: the old one goes first.
Result<void> FileLocks::Flock(const File& file, bool exclusive, int pid) {
  bool freed = false;
  Result<void> result;
  {
    MutexLock l(mu_);
    const auto mine =
        std::find_if(flocks_.begin(), flocks_.end(), [&](const WholeLock& held) { return held.file == &file; });
    if (mine != flocks_.end()) {
      if (mine->exclusive == exclusive) return {};
      freed = true;
      flocks_.erase(mine);
    }
    const bool conflict =
        std::any_of(flocks_.begin(), flocks_.end(), [&](const WholeLock& held) { return exclusive || held.exclusive; });
    if (conflict) {
      result = Errno(EAGAIN);
    } else {
      flocks_.push_back({&file, exclusive, pid});
    }
  }
  if (freed) queue_.Notify(EPOLLIN);
  return result;
}

void FileLocks::Unflock(const File& file) {
  size_t freed = 0;
  {
    MutexLock l(mu_);
    freed = std::erase_if(flocks_, [&](const WholeLock& held) { return held.file == &file; });
  }
  if (freed > 0) queue_.Notify(EPOLLIN);
}

void FileLocks::ReleaseFile(const File& file) {
  Unflock(file);
  ReleaseOwner(&file);
  (void)SetLease({.file = &file});
}

Inode::Inode(FileSystem& fs) : fs_(fs) {}

Inode::~Inode() { delete locks_.load(std::memory_order_acquire); }

// Counts up for a writer, down for who forbids writing, never through zero.
Result<void> Inode::Take(int direction) {
  int now = writers_.load(std::memory_order_relaxed);
  do {
    if (direction > 0 ? now < 0 : now > 0) return Errno(ETXTBSY);
  } while (!writers_.compare_exchange_weak(now, now + direction));
  return {};
}

FileLocks& Inode::locks() {
  FileLocks* current = locks_.load(std::memory_order_acquire);
  if (current != nullptr) return *current;
  auto* fresh = new FileLocks(*this);
  if (locks_.compare_exchange_strong(current, fresh, std::memory_order_acq_rel)) return *fresh;
  delete fresh;
  return *current;
}

}  // namespace runsc
