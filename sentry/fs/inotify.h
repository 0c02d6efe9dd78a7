// inotify(7): an instance with its watches and the queue of events not read yet.
#pragma once

#include <deque>
#include <map>
#include <unordered_map>

#include "sentry/fs/anon_file.h"
#include "sentry/vfs/notify.h"

namespace runsc {

// All fields are guarded by InodeWatch::Lock(), under which events arrive.
class InotifyFile : public AnonFile {
 public:
  static const char kKind;
  static constexpr size_t kMaxQueued = 16384;   // fs.inotify.max_queued_events
  static constexpr size_t kMaxInstances = 128;  // fs.inotify.max_user_instances
  static constexpr size_t kMaxWatches = 65536;  // fs.inotify.max_user_watches

  // What all instances of one user have.
  struct Usage {
    uid_t user = 0;
    size_t instances = 0, watches = 0;
  };

  // `usage` has this instance counted already.
  InotifyFile(RefPtr<AnonInode> inode, int flags, Usage& usage);
  ~InotifyFile() override;

  const void* kind() const override { return &kKind; }
  unsigned abilities() const override { return kReads; }
  // The watch descriptor. `mask` has the IN_MASK_* and IN_ONESHOT bits; validated by the caller.
  Result<int> AddWatch(RefPtr<Inode> inode, uint32_t mask);
  Result<void> RemoveWatch(int wd);

  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override;
  Result<int64_t> Ioctl(Task& task, uint32_t request, uint64_t arg) override;
  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &queue_; }
  std::string FdInfo() const override;

 private:
  class Watch;
  struct Event {
    int wd;
    uint32_t mask, cookie;
    std::string name;
    size_t size() const;
  };
  void PushLocked(Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(InodeWatch::Lock());
  Watch* FindLocked(const Inode& inode) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(InodeWatch::Lock());
  void ForgetLocked(Watch& watch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(InodeWatch::Lock());
  Result<int> ChangeLocked(Watch& watch, uint32_t mask);
  std::string TakeLocked(size_t room) ABSL_EXCLUSIVE_LOCKS_REQUIRED(InodeWatch::Lock());

  Usage& usage_;
  std::map<int, Watch*> watches_;
  std::unordered_map<const Inode*, Watch*> by_inode_;
  std::deque<Event> events_;
  int next_wd_ = 1;
  WaitQueue queue_;
};

// flags: O_NONBLOCK. EMFILE: the user has too many.
Result<RefPtr<File>> NewInotifyFile(Task& task, int flags);

}  // namespace runsc
