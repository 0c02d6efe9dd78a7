// epoll(7): interest lists over many files, and the list of those that became ready.
#pragma once

#include <map>
#include <memory>
#include <span>

#include "sentry/fs/anon_file.h"
#include "sentry/vfs/file_watch.h"

namespace runsc {

class EpollFile;

// Interest in one (file, fd). It sits in the file's wait queue, and in the file's watches so that it goes
// when the description does. It holds no reference to the file.
class EpollItem : public Waiter, public FileWatch {
 public:
  EpollItem(EpollFile& epoll, File& file, int fd, const epoll_event& event);
  void OnNotify(EventMask events) override { OnNotifyExclusive(events); }
  bool OnNotifyExclusive(EventMask events) override;
  void OnFileGone() override;

 private:
  friend class EpollFile;
  EpollFile& epoll_;
  File& file_;
  WaitQueue& queue_;  // the file's
  const int fd_;
  std::atomic<uint32_t> interest_;  // events with the EPOLLET... bits; without event bits when one-shot fired
  uint64_t data_;                   // guarded by the instance's mu_
  uint64_t last_scan_ = 0;          // likewise
  // Ready list, guarded by the instance's ready_mu_.
  bool ready_ = false;
  EpollItem* next_ready_ = nullptr;
  EpollItem* prev_ready_ = nullptr;
};

class EpollFile : public AnonFile {
 public:
  static const char kKind;
  explicit EpollFile(RefPtr<AnonInode> inode);
  ~EpollFile() override;
  const void* kind() const override { return &kKind; }
  unsigned abilities() const override { return 0; }

  // epoll_ctl. EEXIST, ENOENT, EPERM (never blocks), ELOOP, EINVAL (EPOLLEXCLUSIVE rules), ENOSPC.
  Result<void> Add(File& file, int fd, epoll_event event);
  Result<void> Modify(File& file, int fd, epoll_event event);
  Result<void> Remove(File& file, int fd);

  // Fills `out` with what is ready now; returns how many.
  size_t Collect(std::span<epoll_event> out);
  // Makes the next Collect look at everything again: events could not be delivered.
  void RecheckAll();
  // Where epoll_wait sleeps. Its waiters should be exclusive.
  WaitQueue& sleepers() { return sleepers_; }
  size_t ready_bound() const { return item_count_.load(); }
  // The file added as `fd`, after `skip` others that were. To compare only. ENOENT.
  Result<const File*> TargetOf(int fd, uint32_t skip) const;

  EventMask Readiness(EventMask mask) override;
  WaitQueue* wait_queue() override { return &queue_; }
  std::string FdInfo() const override;

 private:
  friend class EpollItem;
  using Key = std::pair<File*, int>;
  static Result<void> CheckNesting(EpollFile& outer, EpollFile& inner)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(FileWatch::Lists());
  int DepthBelow(const EpollFile* forbidden, int budget) ABSL_EXCLUSIVE_LOCKS_REQUIRED(FileWatch::Lists());
  void SinkBelow(int level) ABSL_EXCLUSIVE_LOCKS_REQUIRED(FileWatch::Lists());
  void PushReady(EpollItem& item) ABSL_LOCKS_EXCLUDED(ready_mu_);
  void PushReadyFirst(EpollItem& item) ABSL_LOCKS_EXCLUDED(ready_mu_);
  EpollItem* PopReady() ABSL_LOCKS_EXCLUDED(ready_mu_);
  void UnlinkLocked(EpollItem& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(ready_mu_);
  bool HasReady() const;
  uint32_t TakeEventsLocked(EpollItem& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MakeReadyIfItIsLocked(EpollItem& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DropLocked(EpollItem& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Tells sleepers and pollers; true if anybody was there.
  bool Announce();

  mutable Mutex mu_{LockRank::kEpoll};
  std::map<Key, std::unique_ptr<EpollItem>> items_ ABSL_GUARDED_BY(mu_);
  uint64_t scan_ ABSL_GUARDED_BY(mu_) = 0;
  std::atomic<size_t> item_count_{0};
  int level_ = 0;  // instances that were ever above this one, in the longest chain; guarded by Lists()
  mutable Mutex ready_mu_{LockRank::kEpollReady};
  EpollItem* ready_head_ ABSL_GUARDED_BY(ready_mu_) = nullptr;
  EpollItem* ready_tail_ ABSL_GUARDED_BY(ready_mu_) = nullptr;
  WaitQueue sleepers_;
  WaitQueue queue_;  // pollers and outer instances
};

RefPtr<File> NewEpollFile(Task& task);

}  // namespace runsc
