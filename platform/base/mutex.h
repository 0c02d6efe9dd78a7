// Mutexes with a rank: the lock order of the whole program, checked at run time in debug builds and
// by clang's thread-safety analysis. See docs/locking.md.
#pragma once

#include <mutex>

#include "absl/base/thread_annotations.h"

namespace runsc {

// The lock order, outermost first. A thread may only take a mutex of a higher rank than the ones it
// holds. No lock is held across copies to or from guest memory, gofer calls, or Task::Block.
enum class LockRank : int {
  kFileWatch = 3,     // vfs/file_watch: who watches which open file description
  kEpoll = 5,         // fs/epoll: one epoll instance (held while readiness of members is asked)
  kTaskSet = 10,      // kernel/task_set: the process tree, job control, signals, exit and wait
  kThreadGroup = 20,  // kernel/thread_group: limits, timers, accounting
  kTask = 25,         // kernel/task: fields other threads read
  kMemory = 30,       // kernel/memory_manager: brk, record of file mappings
  kMountTable = 40,   // vfs/mount
  kDentry = 45,       // vfs/dentry: the name cache
  kOverlay = 48,      // fs/tmpfs: structure of one tmpfs or overlay tree
  kInode = 50,        // one inode's data and attributes
  kFdTable = 55,      // kernel/fd_table
  kSocket = 58,       // net/unix_socket: one socket's state
  kFile = 60,         // one open file description: offset, flags
  kPipe = 62,         // fs/pipe
  kTty = 64,          // fs/tty line discipline
  kTimer = 66,        // kernel/timer wheel
  kWaitQueue = 70,    // vfs/wait_queue: list of waiters (their callbacks run under it)
  kTaskWake = 75,     // wake word of a task
  kEpollReady = 77,   // fs/epoll ready list (taken in waiter callbacks)
  kFutex = 80,
  kGoferClient = 85,     // gofer/client: channel pool
  kGoferServer = 86,     // gofer/server: handle table, directory listings (its own process)
  kPlatformFork = 87,    // platform engine: one fork at a time
  kPlatformHelper = 88,  // one stub's helper thread
  kPlatform = 90,        // platform engine: one stub's threads and slots
  kPlatformPool = 92,    // table of stubs, shared page pools
  kLog = 100,
};

class ABSL_LOCKABLE Mutex {
 public:
  explicit Mutex(LockRank rank) : rank_(rank) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION();
  // May be taken while holding one of the same rank: the caller knows an order among them.
  void LockNested() ABSL_EXCLUSIVE_LOCK_FUNCTION();
  void Unlock() ABSL_UNLOCK_FUNCTION();
  bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true);
  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK() {}
  LockRank rank() const { return rank_; }

 private:
  std::mutex mu_;
  const LockRank rank_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(mu) { mu_.Lock(); }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mu_.Unlock(); }
  MutexLock(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

// Locks two mutexes of the same rank in address order; `a` may be `b`. For renames and socket pairs.
class ABSL_SCOPED_LOCKABLE MutexLockPair {
 public:
  MutexLockPair(Mutex& a, Mutex& b) ABSL_EXCLUSIVE_LOCK_FUNCTION(a, b);
  ~MutexLockPair() ABSL_UNLOCK_FUNCTION();

 private:
  Mutex* first_;
  Mutex* second_;
};

}  // namespace runsc
