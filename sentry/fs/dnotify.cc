#include "sentry/fs/dnotify.h"

#include <unordered_map>

#include "sentry/fs/file_owner.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/file_watch.h"
#include "sentry/vfs/notify.h"

namespace runsc {
namespace {

constexpr EventMask kToldEvents = EPOLLIN | EPOLLRDNORM | EPOLLMSG;

// As IN_* bits.
uint32_t InterestOf(uint32_t events) {
  uint32_t mask = 0;
  if (events & DN_ACCESS) mask |= IN_ACCESS;
  if (events & DN_MODIFY) mask |= IN_MODIFY;
  if (events & DN_ATTRIB) mask |= IN_ATTRIB;
  if (events & DN_CREATE) mask |= IN_CREATE | IN_MOVED_TO;
  if (events & DN_DELETE) mask |= IN_DELETE | IN_MOVED_FROM;
  if (events & DN_RENAME) mask |= IN_MOVED_FROM;
  return mask;
}

// What somebody asked for of one open directory; goes with the file.
class Registration final : public FileWatch {
 public:
  Registration(File& file, OwnerSignal& signal) : file_(file), signal_(signal) {}
  void OnFileGone() override;
  // Under FileWatch::Lists().
  void Ask(const FdTable& asker, int fd, uint32_t events);
  RefPtr<Inode> Cancel();
  bool BelongsTo(const FdTable& table) const { return asker_ == &table; }

 private:
  class Interest;
  File& file_;
  OwnerSignal& signal_;             // goes with the file too, after this
  const FdTable* asker_ = nullptr;  // compared only
  int fd_ = -1;                     // this and the next: guarded by InodeWatch::Lock()
  Interest* interest_ = nullptr;
};

// Ended by an event (InodeWatch deletes it then) or by its registration.
class Registration::Interest final : public InodeWatch {
 public:
  explicit Interest(Registration& owner) : owner_(owner) {}
  void Add(uint32_t events) {
    mask_ |= InterestOf(events);
    repeats_ |= (events & DN_MULTISHOT) != 0;
  }
  bool OnEventLocked(uint32_t mask, uint32_t, std::string_view) override {
    if (mask & mask_) owner_.signal_.Tell(owner_.fd_, kToldEvents);
    const bool ends = (mask & IN_DELETE_SELF) || !repeats_;
    if (ends) owner_.interest_ = nullptr;
    return ends;
  }
  uint32_t interest() const override { return mask_; }

 private:
  Registration& owner_;
  uint32_t mask_ = 0;
  bool repeats_ = false;
};

// Guarded by FileWatch::Lists().
std::unordered_map<const File*, Registration*>& Registrations() {
  static auto* const registrations = new std::unordered_map<const File*, Registration*>;
  return *registrations;
}

Registration* FindLocked(const File& file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(FileWatch::Lists()) {
  const auto it = Registrations().find(&file);
  return it != Registrations().end() ? it->second : nullptr;
}

Registration& RegisterLocked(Task& task, File& file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(FileWatch::Lists()) {
  if (Registration* const found = FindLocked(file)) return *found;
  // Before its own: watches go in the reverse order.
  OwnerSignal& signal = SignalOfLocked(task, file);
  auto* const registration = new Registration(file, signal);
  registration->AttachLocked(file);
  Registrations()[&file] = registration;
  return *registration;
}

void Registration::Ask(const FdTable& asker, int fd, uint32_t events) {
  asker_ = &asker;
  MutexLock l(InodeWatch::Lock());
  fd_ = fd;
  if (interest_ == nullptr) {
    interest_ = new Interest(*this);
    interest_->AttachLocked(file_.inode());
  }
  interest_->Add(events);
}

// The inode's reference is for release after the locks.
RefPtr<Inode> Registration::Cancel() {
  MutexLock l(InodeWatch::Lock());
  if (interest_ == nullptr) return nullptr;
  RefPtr<Inode> inode = interest_->DetachLocked();
  delete interest_;
  interest_ = nullptr;
  return inode;
}

void Registration::OnFileGone() {
  (void)Cancel();  // not the inode's last reference: the file's path has one
  Registrations().erase(&file_);
  delete this;
}

}  // namespace

Result<void> NotifyOfDirectory(Task& task, File& file, int fd, uint32_t events) {
  if ((events & ~uint32_t{DN_MULTISHOT}) == 0) {
    EndDirectoryNotice(file, task);
    return {};
  }
  const RefPtr<Inode> inode = file.inode();
  if (!inode || !TRY(inode->GetAttr()).IsDir()) return Errno(ENOTDIR);
  MutexLock l(FileWatch::Lists());
  RegisterLocked(task, file).Ask(task.fds(), fd, events);
  return {};
}

void EndDirectoryNotice(File& file, Task& closer) {
  if (!notify::Watched()) return;
  RefPtr<Inode> released;
  MutexLock l(FileWatch::Lists());
  Registration* const registration = FindLocked(file);
  if (registration != nullptr && registration->BelongsTo(closer.fds())) released = registration->Cancel();
}

}  // namespace runsc
