// The queue of an inotify instance.
#include "sentry/fs/inotify.h"

#include <sys/ioctl.h>

#include <cstdio>
#include <cstring>

#include "sentry/kernel/task.h"

namespace runsc {
namespace {

// Names are padded with NULs to multiples of the header's size.
size_t PaddedName(const std::string& name) {
  constexpr size_t kUnit = sizeof(inotify_event);
  return name.empty() ? 0 : (name.size() + 1 + kUnit - 1) / kUnit * kUnit;
}

// Of the users who have instances.
std::map<uid_t, InotifyFile::Usage>& Usages() ABSL_EXCLUSIVE_LOCKS_REQUIRED(InodeWatch::Lock()) {
  static auto* const usages = new std::map<uid_t, InotifyFile::Usage>;
  return *usages;
}

Result<InotifyFile::Usage*> CountInstance(uid_t user) {
  MutexLock l(InodeWatch::Lock());
  InotifyFile::Usage& usage = Usages()[user];
  if (usage.instances >= InotifyFile::kMaxInstances) return Errno(EMFILE);
  usage.user = user;
  ++usage.instances;
  return &usage;
}

}  // namespace

const char InotifyFile::kKind = 0;

size_t InotifyFile::Event::size() const { return sizeof(inotify_event) + PaddedName(name); }

class InotifyFile::Watch final : public InodeWatch {
 public:
  Watch(InotifyFile& owner, int wd, uint32_t mask) : owner_(owner), wd_(wd), mask_(mask) {}

  bool OnEventLocked(uint32_t mask, uint32_t cookie, std::string_view name) override ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const bool wanted = mask_ & mask & IN_ALL_EVENTS;
    if (wanted && (mask & IN_EXCL_UNLINK) && (mask_ & IN_EXCL_UNLINK)) return false;
    if (wanted) owner_.PushLocked({wd_, mask & (IN_ALL_EVENTS | IN_ISDIR), cookie, std::string(name)});
    const bool ends = (mask & IN_DELETE_SELF) || (wanted && (mask_ & IN_ONESHOT));
    if (ends) {
      owner_.PushLocked({wd_, IN_IGNORED, 0, ""});
      owner_.ForgetLocked(*this);
    }
    return ends;
  }

  uint32_t interest() const override { return mask_; }
  int wd() const { return wd_; }
  uint32_t mask() const { return mask_; }
  void set_mask(uint32_t mask) { mask_ = mask; }

 private:
  InotifyFile& owner_;  // removes its watches before it goes
  const int wd_;
  uint32_t mask_;
};

InotifyFile::InotifyFile(RefPtr<AnonInode> inode, int flags, Usage& usage)
    : AnonFile(std::move(inode), "anon_inode:inotify", O_RDONLY | flags), usage_(usage) {}

InotifyFile::~InotifyFile() {
  std::vector<RefPtr<Inode>> released;
  MutexLock l(InodeWatch::Lock());
  for (auto& [wd, watch] : watches_) {
    released.push_back(watch->DetachLocked());
    delete watch;
  }
  usage_.watches -= watches_.size();
  if (--usage_.instances == 0) Usages().erase(usage_.user);
}

InotifyFile::Watch* InotifyFile::FindLocked(const Inode& inode) const {
  const auto it = by_inode_.find(&inode);
  return it != by_inode_.end() ? it->second : nullptr;
}

void InotifyFile::ForgetLocked(Watch& watch) {
  by_inode_.erase(watch.inode().get());
  watches_.erase(watch.wd());
  --usage_.watches;
}

Result<int> InotifyFile::ChangeLocked(Watch& watch, uint32_t mask) {
  if (mask & IN_MASK_CREATE) return Errno(EEXIST);
  watch.set_mask(mask & IN_MASK_ADD ? watch.mask() | mask : mask);
  return watch.wd();
}

Result<int> InotifyFile::AddWatch(RefPtr<Inode> inode, uint32_t mask) {
  MutexLock l(InodeWatch::Lock());
  if (Watch* watch = FindLocked(*inode)) return ChangeLocked(*watch, mask);
  if (usage_.watches >= kMaxWatches) return Errno(ENOSPC);
  ++usage_.watches;
  auto* watch = new Watch(*this, next_wd_++, mask);
  watches_[watch->wd()] = watch;
  by_inode_[inode.get()] = watch;
  watch->AttachLocked(std::move(inode));
  return watch->wd();
}

Result<void> InotifyFile::RemoveWatch(int wd) {
  RefPtr<Inode> released;  // after the lock
  MutexLock l(InodeWatch::Lock());
  const auto it = watches_.find(wd);
  if (it == watches_.end()) return Errno(EINVAL);
  Watch* const watch = it->second;
  PushLocked({wd, IN_IGNORED, 0, ""});
  ForgetLocked(*watch);
  released = watch->DetachLocked();
  delete watch;
  return {};
}

// Equal events in a row are one; what does not fit is one event saying so.
void InotifyFile::PushLocked(Event event) {
  if (!events_.empty()) {
    const Event& last = events_.back();
    if (last.wd == event.wd && last.mask == event.mask && last.cookie == event.cookie && last.name == event.name) {
      return;
    }
  }
  if (events_.size() >= kMaxQueued) {
    if (events_.back().mask == IN_Q_OVERFLOW) return;
    event = {-1, IN_Q_OVERFLOW, 0, ""};
  }
  events_.push_back(std::move(event));
  queue_.Notify(EPOLLIN | EPOLLRDNORM);
}

// As many whole events as fit.
std::string InotifyFile::TakeLocked(size_t room) {
  std::string bytes;
  while (!events_.empty() && bytes.size() + events_.front().size() <= room) {
    const Event& event = events_.front();
    const size_t at = bytes.size(), name_size = PaddedName(event.name);
    bytes.resize(at + event.size());
    const inotify_event header = {
        .wd = event.wd, .mask = event.mask, .cookie = event.cookie, .len = static_cast<uint32_t>(name_size)};
    memcpy(bytes.data() + at, &header, sizeof(header));
    memcpy(bytes.data() + at + sizeof(header), event.name.data(), event.name.size());
    events_.pop_front();
  }
  return bytes;
}

Result<size_t> InotifyFile::Read(Task& task, IoSink& dst, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  std::string bytes;
  {
    MutexLock l(InodeWatch::Lock());
    if (events_.empty()) return Errno(EAGAIN);
    bytes = TakeLocked(dst.remaining());
  }
  if (bytes.empty()) return Errno(EINVAL);
  return dst.Write(std::as_bytes(std::span(bytes)));
}

Result<int64_t> InotifyFile::Ioctl(Task& task, uint32_t request, uint64_t arg) {
  if (request != FIONREAD) return Errno(ENOTTY);
  size_t pending = 0;
  {
    MutexLock l(InodeWatch::Lock());
    for (const Event& event : events_) pending += event.size();
  }
  TRY(task.CopyOutObject(arg, static_cast<int>(pending)));
  return int64_t{0};
}

EventMask InotifyFile::Readiness(EventMask mask) {
  MutexLock l(InodeWatch::Lock());
  return events_.empty() ? 0 : mask & (EPOLLIN | EPOLLRDNORM);
}

std::string InotifyFile::FdInfo() const {
  struct Line {
    int wd;
    uint32_t mask;
    RefPtr<Inode> inode;
  };
  std::vector<Line> lines;
  {
    MutexLock l(InodeWatch::Lock());
    for (const auto& [wd, watch] : watches_) lines.push_back({wd, watch->mask(), watch->inode()});
  }
  std::string text;
  for (const Line& line : lines) {
    const Result<Attr> attr = line.inode->GetAttr();
    char buffer[128];
    snprintf(buffer, sizeof(buffer), "inotify wd:%x ino:%lx sdev:%lx mask:%x ignored_mask:0\n", line.wd,
             attr.ok() ? attr->ino : 0, attr.ok() ? attr->dev : 0, line.mask & IN_ALL_EVENTS);
    text += buffer;
  }
  return text;
}

Result<RefPtr<File>> NewInotifyFile(Task& task, int flags) {
  InotifyFile::Usage* const usage = TRY(CountInstance(task.creds()->ruid));
  return RefPtr<File>(MakeRef<InotifyFile>(NewAnonInode(task), flags & O_NONBLOCK, *usage));
}

}  // namespace runsc
