// Interest and ready lists of epoll(7).
#include "sentry/fs/epoll.h"

#include <algorithm>
#include <cstdio>

#include "sentry/kernel/task.h"

namespace runsc {
namespace {

constexpr uint32_t kBehaviour = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;
constexpr uint32_t kExclusiveOk = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
constexpr int kMaxChain = 5;             // instances nested in each other
constexpr size_t kMaxWatches = 1 << 20;  // of the whole sandbox: fs.epoll.max_user_watches

std::atomic<size_t> total_watches{0};

EpollFile* AsEpoll(File& file) { return FileAs<EpollFile>(file); }

}  // namespace

EpollItem::EpollItem(EpollFile& epoll, File& file, int fd, const epoll_event& event)
    : Waiter(~EventMask{0}),
      epoll_(epoll),
      file_(file),
      queue_(*file.wait_queue()),
      fd_(fd),
      interest_(event.events | EPOLLERR | EPOLLHUP),
      data_(event.data.u64) {
  set_exclusive(event.events & EPOLLEXCLUSIVE);
}

// Runs under the file's queue lock. An exclusive item with nobody to wake lets the next one have it.
bool EpollItem::OnNotifyExclusive(EventMask events) {
  const uint32_t interest = interest_.load();
  if ((events & interest & ~kBehaviour) == 0) return false;
  epoll_.PushReady(*this);
  return epoll_.Announce();
}

void EpollItem::OnFileGone() {
  EpollFile& epoll = epoll_;  // this goes
  epoll.mu_.Lock();
  epoll.DropLocked(*this);
  epoll.mu_.Unlock();
}

const char EpollFile::kKind = 0;

EpollFile::EpollFile(RefPtr<AnonInode> inode) : AnonFile(std::move(inode), "anon_inode:[eventpoll]", O_RDWR) {}

EpollFile::~EpollFile() {
  MutexLock lists(FileWatch::Lists());
  MutexLock l(mu_);
  while (!items_.empty()) {
    EpollItem& item = *items_.begin()->second;
    item.DetachLocked();
    DropLocked(item);
  }
}

void EpollFile::PushReady(EpollItem& item) {
  MutexLock l(ready_mu_);
  if (item.ready_) return;
  item.ready_ = true;
  item.next_ready_ = nullptr;
  item.prev_ready_ = ready_tail_;
  (ready_tail_ != nullptr ? ready_tail_->next_ready_ : ready_head_) = &item;
  ready_tail_ = &item;
}

void EpollFile::PushReadyFirst(EpollItem& item) {
  MutexLock l(ready_mu_);
  if (item.ready_) return;
  item.ready_ = true;
  item.prev_ready_ = nullptr;
  item.next_ready_ = ready_head_;
  (ready_head_ != nullptr ? ready_head_->prev_ready_ : ready_tail_) = &item;
  ready_head_ = &item;
}

void EpollFile::UnlinkLocked(EpollItem& item) {
  if (!item.ready_) return;
  item.ready_ = false;
  (item.prev_ready_ != nullptr ? item.prev_ready_->next_ready_ : ready_head_) = item.next_ready_;
  (item.next_ready_ != nullptr ? item.next_ready_->prev_ready_ : ready_tail_) = item.prev_ready_;
}

EpollItem* EpollFile::PopReady() {
  MutexLock l(ready_mu_);
  EpollItem* item = ready_head_;
  if (item != nullptr) UnlinkLocked(*item);
  return item;
}

bool EpollFile::HasReady() const {
  MutexLock l(ready_mu_);
  return ready_head_ != nullptr;
}

bool EpollFile::Announce() {
  const bool heard = !sleepers_.empty() || !queue_.empty();
  sleepers_.Notify(EPOLLIN | EPOLLRDNORM);
  queue_.Notify(EPOLLIN | EPOLLRDNORM);
  return heard;
}

// Longest chain of instances below this one, itself included; negative if `forbidden` is among them or
// the chain is longer than `budget`.
int EpollFile::DepthBelow(const EpollFile* forbidden, int budget) {
  if (this == forbidden || budget <= 0) return -1;
  int deepest = 0;
  mu_.LockNested();
  for (auto& [key, item] : items_) {
    EpollFile* inner = AsEpoll(*key.first);
    if (inner == nullptr) continue;
    const int depth = inner->DepthBelow(forbidden, budget - 1);
    deepest = depth < 0 ? depth : std::max(deepest, depth);
    if (depth < 0) break;
  }
  mu_.Unlock();
  return deepest < 0 ? -1 : deepest + 1;
}

// No loops, and chains are bounded because readiness is asked recursively.
Result<void> EpollFile::CheckNesting(EpollFile& outer, EpollFile& inner) {
  if (inner.DepthBelow(&outer, kMaxChain - 1 - outer.level_) < 0) return Errno(ELOOP);
  inner.SinkBelow(outer.level_ + 1);
  return {};
}

void EpollFile::SinkBelow(int level) {
  if (level <= level_) return;
  level_ = level;
  mu_.LockNested();
  for (auto& [key, item] : items_) {
    if (EpollFile* inner = AsEpoll(*key.first)) inner->SinkBelow(level + 1);
  }
  mu_.Unlock();
}

Result<void> EpollFile::Add(File& file, int fd, epoll_event event) {
  if ((event.events & EPOLLEXCLUSIVE) && ((event.events & ~kExclusiveOk) || AsEpoll(file))) return Errno(EINVAL);
  MutexLock lists(FileWatch::Lists());
  if (EpollFile* inner = AsEpoll(file)) TRY(CheckNesting(*this, *inner));
  MutexLock l(mu_);
  if (items_.count({&file, fd}) > 0) return Errno(EEXIST);
  if (total_watches.fetch_add(1) >= kMaxWatches) {
    --total_watches;
    return Errno(ENOSPC);
  }
  auto owned = std::make_unique<EpollItem>(*this, file, fd, event);
  EpollItem& item = *owned;
  items_.emplace(Key{&file, fd}, std::move(owned));
  item_count_ = items_.size();
  item.AttachLocked(file);
  item.queue_.Add(item);
  MakeReadyIfItIsLocked(item);
  return {};
}

void EpollFile::MakeReadyIfItIsLocked(EpollItem& item) {
  const uint32_t wanted = item.interest_.load() & ~kBehaviour;
  if ((item.file_.Readiness(wanted) & wanted) == 0) return;
  PushReady(item);
  Announce();
}

Result<void> EpollFile::Modify(File& file, int fd, epoll_event event) {
  MutexLock l(mu_);
  auto it = items_.find({&file, fd});
  if (it == items_.end()) return Errno(ENOENT);
  EpollItem& item = *it->second;
  if ((event.events | item.interest_.load()) & EPOLLEXCLUSIVE) return Errno(EINVAL);
  item.interest_ = event.events | EPOLLERR | EPOLLHUP;
  item.data_ = event.data.u64;
  MakeReadyIfItIsLocked(item);
  return {};
}

Result<void> EpollFile::Remove(File& file, int fd) {
  MutexLock lists(FileWatch::Lists());
  MutexLock l(mu_);
  auto it = items_.find({&file, fd});
  if (it == items_.end()) return Errno(ENOENT);
  it->second->DetachLocked();
  DropLocked(*it->second);
  return {};
}

// First out of the queue: after that nobody makes it ready again.
void EpollFile::DropLocked(EpollItem& item) {
  item.queue_.Remove(item);
  {
    MutexLock l(ready_mu_);
    UnlinkLocked(item);
  }
  items_.erase({&item.file_, item.fd_});
  item_count_ = items_.size();
  --total_watches;
}

// What to report of an item that was popped; 0 if it is not ready after all. A level-triggered one stays
// listed for the next call.
uint32_t EpollFile::TakeEventsLocked(EpollItem& item) {
  const uint32_t interest = item.interest_.load();
  const uint32_t wanted = interest & ~kBehaviour;
  if (wanted == 0) return 0;  // a one-shot that fired
  const uint32_t events = item.file_.Readiness(wanted) & wanted;
  if (events == 0) return 0;
  if (interest & EPOLLONESHOT) {
    item.interest_ = interest & kBehaviour;
  } else if (!(interest & EPOLLET)) {
    PushReady(item);
  }
  return events;
}

size_t EpollFile::Collect(std::span<epoll_event> out) {
  size_t count = 0;
  {
    MutexLock l(mu_);
    ++scan_;
    while (count < out.size()) {
      EpollItem* item = PopReady();
      if (item == nullptr) break;
      if (item->last_scan_ == scan_) {  // once around
        PushReadyFirst(*item);
        break;
      }
      item->last_scan_ = scan_;
      const uint32_t events = TakeEventsLocked(*item);
      if (events == 0) continue;
      out[count].events = events;
      out[count].data.u64 = item->data_;
      ++count;
    }
  }
  // Sleepers are woken one at a time: pass on what is left.
  if (count > 0 && !sleepers_.empty() && HasReady()) sleepers_.Notify(EPOLLIN | EPOLLRDNORM);
  return count;
}

void EpollFile::RecheckAll() {
  MutexLock l(mu_);
  for (auto& [key, item] : items_) PushReady(*item);
}

EventMask EpollFile::Readiness(EventMask mask) {
  mu_.LockNested();
  bool ready = false;
  const uint64_t scan = ++scan_;
  while (EpollItem* item = PopReady()) {
    const uint32_t wanted = item->interest_.load() & ~kBehaviour;
    ready = (item->file_.Readiness(wanted) & wanted) != 0;
    const bool seen = std::exchange(item->last_scan_, scan) == scan;
    if (ready || seen) PushReadyFirst(*item);
    if (ready || seen) break;
  }
  mu_.Unlock();
  return ready ? mask & (EPOLLIN | EPOLLRDNORM) : 0;
}

Result<const File*> EpollFile::TargetOf(int fd, uint32_t skip) const {
  MutexLock l(mu_);
  for (const auto& [key, item] : items_) {
    if (key.second == fd && skip-- == 0) return static_cast<const File*>(key.first);
  }
  return Errno(ENOENT);
}

std::string EpollFile::FdInfo() const {
  MutexLock l(mu_);
  std::string text;
  for (const auto& [key, item] : items_) {
    char line[96];
    std::snprintf(line, sizeof(line), "tfd: %8d events: %8x data: %16lx\n", item->fd_, item->interest_.load(),
                  item->data_);
    text += line;
  }
  return text;
}

RefPtr<File> NewEpollFile(Task& task) { return MakeRef<EpollFile>(NewAnonInode(task)); }

}  // namespace runsc
