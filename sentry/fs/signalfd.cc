// Taking signals through signalfd(2).
#include "sentry/fs/signalfd.h"

#include <sys/signalfd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "sentry/kernel/current_task.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

// The fields a signal has depend on where it came from; unused ones stay zero.
signalfd_siginfo ToSignalfdInfo(const siginfo_t& info) {
  signalfd_siginfo out{};
  out.ssi_signo = info.si_signo;
  out.ssi_errno = info.si_errno;
  out.ssi_code = info.si_code;
  if (info.si_code == SI_TIMER) {
    out.ssi_tid = info.si_timerid;
    out.ssi_overrun = info.si_overrun;
    out.ssi_ptr = reinterpret_cast<uint64_t>(info.si_ptr);
    out.ssi_int = info.si_int;
    return out;
  }
  const bool is_fault = info.si_code > 0 && info.si_code != SI_KERNEL &&
                        (info.si_signo == SIGSEGV || info.si_signo == SIGBUS || info.si_signo == SIGILL ||
                         info.si_signo == SIGFPE || info.si_signo == SIGTRAP);
  if (is_fault) {
    out.ssi_addr = reinterpret_cast<uint64_t>(info.si_addr);
    return out;
  }
  out.ssi_pid = info.si_pid;
  out.ssi_uid = info.si_uid;
  if (info.si_signo == SIGCHLD && info.si_code > 0) {
    out.ssi_status = info.si_status;
    out.ssi_utime = info.si_utime;
    out.ssi_stime = info.si_stime;
  } else if (info.si_code < 0) {
    out.ssi_ptr = reinterpret_cast<uint64_t>(info.si_ptr);
    out.ssi_int = info.si_int;
  }
  return out;
}

}  // namespace

const char SignalFile::kKind = 0;

SignalFile::SignalFile(RefPtr<AnonInode> inode, RefPtr<ThreadGroup> creator, SignalSet set, int flags)
    : AnonFile(std::move(inode), "anon_inode:[signalfd]", O_RDWR | flags), creator_(std::move(creator)), set_(set) {}

void SignalFile::set_signals(SignalSet set) {
  set_ = set;
  creator_->signal_events.Notify(EPOLLIN);
  MutexLock l(mu_);
  for (const RefPtr<ThreadGroup>& group : heirs_) group->signal_events.Notify(EPOLLIN);
}

// Processes that are gone and that no epoll instance watches any more are forgotten.
WaitQueue* SignalFile::QueueOf(ThreadGroup& group) {
  std::vector<RefPtr<ThreadGroup>> garbage;  // dropped after the locks
  MutexLock tasks(group.kernel().task_set_mu());
  MutexLock l(mu_);
  const auto gone = std::partition(heirs_.begin(), heirs_.end(), [&](const RefPtr<ThreadGroup>& heir) {
    return heir.get() == &group || !heir->zombie || !heir->signal_events.empty();
  });
  std::move(gone, heirs_.end(), std::back_inserter(garbage));
  heirs_.erase(gone, heirs_.end());
  const bool known = std::any_of(heirs_.begin(), heirs_.end(), [&](const auto& heir) { return heir.get() == &group; });
  if (!known) heirs_.emplace_back(&group);
  return &group.signal_events;
}

WaitQueue* SignalFile::wait_queue() {
  Task* asking = CurrentTask();
  if (asking == nullptr || &asking->thread_group() == creator_.get()) return &creator_->signal_events;
  return QueueOf(asking->thread_group());
}

Result<size_t> SignalFile::Read(Task& task, IoSink& dst, const int64_t* offset) {
  if (offset != nullptr) return Errno(ESPIPE);
  if (dst.remaining() < sizeof(signalfd_siginfo)) return Errno(EINVAL);
  size_t done = 0;
  while (dst.remaining() >= sizeof(signalfd_siginfo)) {
    const std::optional<siginfo_t> signal = task.TakeSignal(set_.load());
    if (!signal) break;
    const signalfd_siginfo info = ToSignalfdInfo(*signal);
    const auto n = dst.Write(std::as_bytes(std::span(&info, 1)));
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    done += *n;
  }
  return done > 0 ? Result<size_t>(done) : Errno(EAGAIN);
}

EventMask SignalFile::Readiness(EventMask mask) {
  Task* asking = CurrentTask();
  if (asking == nullptr) return 0;
  return (asking->PendingSignals() & set_.load()) ? EPOLLIN & mask : 0;
}

std::string SignalFile::FdInfo() const {
  char text[40];
  std::snprintf(text, sizeof(text), "sigmask:\t%016lx\n", set_.load());
  return text;
}

RefPtr<File> NewSignalFile(Task& task, SignalSet set, int flags) {
  return MakeRef<SignalFile>(NewAnonInode(task), RefPtr<ThreadGroup>(&task.thread_group()), set, flags & O_NONBLOCK);
}

}  // namespace runsc
