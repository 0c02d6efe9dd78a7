// Telling watchers (inotify) what happens to files. Costs one load while nobody watches anything.
#pragma once

#include <sys/inotify.h>

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "platform/base/mutex.h"
#include "sentry/vfs/dentry.h"

namespace runsc {

// Somebody's interest in one inode. Watches live in lists by inode, all under one lock, which also
// guards what their owners keep about them.
class InodeWatch {
 public:
  virtual ~InodeWatch() = default;
  // Mask bits, a rename's cookie, the name within a watched directory or "". Called with Lock() held.
  // True: the watch is to be removed (and was told IN_IGNORED); its inode reference goes afterwards.
  virtual bool OnEventLocked(uint32_t mask, uint32_t cookie, std::string_view name) = 0;
  virtual uint32_t interest() const = 0;

  static Mutex& Lock();
  void AttachLocked(RefPtr<Inode> inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(Lock());
  // Gives the reference back, for release after the lock.
  RefPtr<Inode> DetachLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(Lock());
  const RefPtr<Inode>& inode() const { return inode_; }

 private:
  RefPtr<Inode> inode_;
};

namespace notify {

extern std::atomic<uint32_t> watch_count;
inline bool Watched() { return watch_count.load(std::memory_order_relaxed) != 0; }

// To those who watch the directory, with the name; to those who watch the inode; to both.
void Name(const Inode& dir, std::string_view name, bool is_dir, uint32_t mask, uint32_t cookie = 0);
void Self(const Inode& inode, bool is_dir, uint32_t mask);
void Both(const Dentry& dentry, uint32_t mask);
// A name of the inode or a description of an unlinked one went: is that the end of it?
void IfGone(Inode& inode, bool is_dir);
uint32_t NewCookie();

}  // namespace notify
}  // namespace runsc
