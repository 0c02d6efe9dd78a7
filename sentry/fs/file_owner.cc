// Records of file owners, and the thread that signals them: readiness is told under a wait queue's lock,
// where no signal can be sent.
#include "sentry/fs/file_owner.h"

#include <poll.h>
#include <signal.h>

#include <deque>
#include <optional>
#include <unordered_map>

#include "sentry/kernel/host_thread.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

constexpr EventMask kTold = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP;

struct Notice {
  Kernel* kernel;
  FileOwner owner;
  EventMask events;
  bool urgent = false;
};

// What waits to be signalled. Bounded: a file that is told of again before it was signalled is told once.
class NoticeQueue {
 public:
  static NoticeQueue& Get() {
    static NoticeQueue* const queue = new NoticeQueue;
    return *queue;
  }
  bool Start() {
    if (started_.exchange(true)) return true;
    if (StartDetachedThread("sigio", kTaskStackSize, &Run, this)) return true;
    started_ = false;
    return false;
  }
  void Push(const Notice& notice) {
    {
      MutexLock l(mu_);
      if (notices_.size() >= kMaxNotices) return;
      notices_.push_back(notice);
    }
    word_.fetch_add(1);
    FutexWakeHost(&word_, 1);
  }

 private:
  static constexpr size_t kMaxNotices = 4096;

  static void Run(void* arg) { static_cast<NoticeQueue*>(arg)->Loop(); }
  void Loop();
  bool Pop(Notice* notice) {
    MutexLock l(mu_);
    if (notices_.empty()) return false;
    *notice = notices_.front();
    notices_.pop_front();
    return true;
  }

  std::atomic<bool> started_{false};
  std::atomic<unsigned> word_{0};
  Mutex mu_{LockRank::kEpollReady};
  std::deque<Notice> notices_ ABSL_GUARDED_BY(mu_);
};

siginfo_t SignalFor(const Notice& notice) {
  siginfo_t info = {};
  if (notice.urgent) return KernelSignal(SIGURG);
  if (notice.owner.signo == 0) return KernelSignal(SIGIO);
  info.si_signo = notice.owner.signo;
  info.si_fd = notice.owner.fd;
  if (notice.events & EPOLLMSG) {
    info.si_code = POLL_MSG;
  } else if (notice.events & EPOLLPRI) {
    info.si_code = POLL_PRI;
  } else if (notice.events & (EPOLLHUP | EPOLLRDHUP)) {
    info.si_code = POLL_HUP;
  } else if (notice.events & EPOLLERR) {
    info.si_code = POLL_ERR;
  } else {
    info.si_code = notice.events & EPOLLIN ? POLL_IN : POLL_OUT;
  }
  info.si_band = notice.events;
  return info;
}

// Who named the owner must be one who may signal it, whoever makes the file ready.
bool MaySignal(const FileOwner& owner, const Task& target) {
  return MayOrderSignals(owner.set_ruid, owner.set_euid, target);
}

void DeliverLocked(const Notice& notice, const siginfo_t& info) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  const FileOwner& owner = notice.owner;
  if (owner.kind == FileOwner::Kind::kGroup) {
    for (ThreadGroup* group : notice.kernel->ThreadGroupsLocked()) {
      const bool told = group->pgid == owner.id && group->leader != nullptr && MaySignal(owner, *group->leader);
      if (told) (void)SendToGroupLocked(*group, info);
    }
    return;
  }
  Task* const task = notice.kernel->FindTaskLocked(owner.id);
  if (task == nullptr || !MaySignal(owner, *task)) return;
  if (owner.kind == FileOwner::Kind::kThread) {
    (void)task->SendSignalLocked(info);
  } else {
    (void)SendToGroupLocked(task->thread_group(), info);
  }
}

void Deliver(const Notice& notice) {
  const siginfo_t info = SignalFor(notice);
  MutexLock l(notice.kernel->task_set_mu());
  DeliverLocked(notice, info);
}

void NoticeQueue::Loop() {
  for (;;) {
    const unsigned seen = word_.load();
    Notice notice;
    while (Pop(&notice)) Deliver(notice);
    FutexWaitHost(&word_, seen, kNever);
  }
}

// Hears of bytes out of band, for SIGURG.
class UrgentWaiter final : public Waiter {
 public:
  explicit UrgentWaiter(std::function<void()> on_urgent) : Waiter(EPOLLPRI), on_urgent_(std::move(on_urgent)) {}
  void OnNotify(EventMask events) override {
    if (events & EPOLLPRI) on_urgent_();  // called for errors and ends too
  }

 private:
  const std::function<void()> on_urgent_;
};

// The record of one file; goes with it.
class Record final : public FileWatch, public Waiter, public OwnerSignal {
 public:
  Record(Kernel& kernel, File& file) : Waiter(kTold), kernel_(kernel), file_(file) {}

  void OnFileGone() override;
  void OnNotify(EventMask events) override {
    const FileOwner now = owner();
    if (now.kind != FileOwner::Kind::kNone) NoticeQueue::Get().Push({&kernel_, now, events});
  }
  void Tell(int fd, EventMask events) override {
    FileOwner now = owner();
    now.fd = fd;
    if (now.kind != FileOwner::Kind::kNone) NoticeQueue::Get().Push({&kernel_, now, events});
  }

  FileOwner owner() const {
    MutexLock l(mu_);
    return owner_;
  }
  void Change(const std::function<void(FileOwner&)>& change) {
    MutexLock l(mu_);
    change(owner_);
  }
  void TellUrgent() {
    const FileOwner now = owner();
    if (now.kind != FileOwner::Kind::kNone) NoticeQueue::Get().Push({&kernel_, now, EPOLLPRI, true});
  }
  // Of a socket, with O_ASYNC or without.
  void ListenForUrgent() {
    WaitQueue* queue = file_.wait_queue();
    if (urgent_ || file_.socket() == nullptr || queue == nullptr || !NoticeQueue::Get().Start()) return;
    urgent_.emplace([this] { TellUrgent(); });
    queue->Add(*urgent_);
  }
  void Listen(bool on) {
    WaitQueue* queue = file_.wait_queue();
    if (queue == nullptr || on == listening_ || (on && !NoticeQueue::Get().Start())) return;
    listening_ = on;
    if (on) {
      queue->Add(*this);
    } else {
      queue->Remove(*this);
    }
  }

 private:
  Kernel& kernel_;
  File& file_;
  bool listening_ = false;  // guarded by the lists' lock, as is the next
  std::optional<UrgentWaiter> urgent_;
  mutable Mutex mu_{LockRank::kEpollReady};
  FileOwner owner_ ABSL_GUARDED_BY(mu_);
};

// Guarded by FileWatch::Lists().
std::unordered_map<File*, Record*>& Records() {
  static auto* const records = new std::unordered_map<File*, Record*>;
  return *records;
}

void Record::OnFileGone() {
  Listen(false);
  if (urgent_) file_.wait_queue()->Remove(*urgent_);
  Records().erase(&file_);
  delete this;
}

Record& RecordLocked(Kernel& kernel, File& file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(FileWatch::Lists()) {
  Record*& record = Records()[&file];
  if (record == nullptr) {
    record = new Record(kernel, file);
    record->AttachLocked(file);
  }
  return *record;
}

}  // namespace

FileOwner OwnerOf(File& file) {
  MutexLock l(FileWatch::Lists());
  const auto it = Records().find(&file);
  return it != Records().end() ? it->second->owner() : FileOwner();
}

void ChangeOwner(Kernel& kernel, File& file, const std::function<void(FileOwner&)>& change) {
  MutexLock l(FileWatch::Lists());
  Record& record = RecordLocked(kernel, file);
  record.Change(change);
  record.ListenForUrgent();
}

void SetAsync(Kernel& kernel, File& file, int fd, bool on) {
  MutexLock l(FileWatch::Lists());
  if (!on && !Records().contains(&file)) return;
  Record& record = RecordLocked(kernel, file);
  if (on) record.Change([&](FileOwner& owner) { owner.fd = fd; });
  record.Listen(on);
}

OwnerSignal& SignalOfLocked(Task& caller, File& file) {
  Record& record = RecordLocked(caller.kernel(), file);
  (void)NoticeQueue::Get().Start();  // without a thread nobody is told, as when signals are lost
  record.Change([&](FileOwner& owner) {
    if (owner.kind != FileOwner::Kind::kNone) return;
    owner.kind = FileOwner::Kind::kProcess;
    owner.id = caller.pid();
    owner.set_ruid = caller.creds()->ruid;
    owner.set_euid = caller.creds()->euid;
  });
  return record;
}

}  // namespace runsc
