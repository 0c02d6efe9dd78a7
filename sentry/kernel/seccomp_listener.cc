// Calls that a supervisor answers: seccomp_unotify(2).
#include "sentry/kernel/seccomp.h"

namespace runsc {

SeccompNotice* SeccompListener::FindLocked(uint64_t id) {
  for (SeccompNotice& notice : notices_) {
    if (notice.id == id) return &notice;
  }
  return nullptr;
}

Result<seccomp_notif_resp> SeccompListener::TryAnswer(uint64_t id) {
  MutexLock l(mu_);
  if (closed_) {
    seccomp_notif_resp gone{};
    gone.error = -ENOSYS;
    return gone;
  }
  const SeccompNotice* notice = FindLocked(id);
  if (notice == nullptr || notice->state != SeccompNotice::kAnswered) return Errno(EAGAIN);
  return notice->answer;
}

void SeccompListener::Forget(uint64_t id) {
  RefPtr<Task> task;
  MutexLock l(mu_);
  notices_.remove_if([id](const SeccompNotice& notice) { return notice.id == id; });
}

bool SeccompListener::IsHeld(uint64_t id) {
  if (!patient_) return false;
  MutexLock l(mu_);
  const SeccompNotice* notice = FindLocked(id);
  return notice != nullptr && notice->state != SeccompNotice::kNew;
}

Result<seccomp_notif_resp> SeccompListener::AwaitAnswer(Task& task, uint64_t id) {
  TaskWaiter waiter(task, EPOLLIN);
  answers_.Add(waiter);
  auto answer = TryAnswer(id);
  while (!answer.ok() && answer.error() == Errno(EAGAIN)) {
    const bool held = IsHeld(id);
    const Result<void> slept = held ? task.BlockKillable() : task.Block();
    const bool gives_up = !slept.ok() && (held || !IsHeld(id));  // it may have been seen just before the signal
    answer = gives_up ? Result<seccomp_notif_resp>(slept.error()) : TryAnswer(id);
  }
  answers_.Remove(waiter);
  return answer;
}

std::optional<SyscallResult> SeccompListener::Ask(Task& task, const seccomp_data& data) {
  uint64_t id;
  {
    MutexLock l(mu_);
    if (closed_) return SyscallResult(Errno(ENOSYS));
    id = next_id_++;
    SeccompNotice& notice = notices_.emplace_back();
    notice.id = id;
    notice.task = RefPtr<Task>(&task);
    notice.data = data;
  }
  events_.Notify(EPOLLIN);
  const auto answer = AwaitAnswer(task, id);
  Forget(id);
  events_.Notify(EPOLLIN | EPOLLOUT);
  if (!answer.ok()) return SyscallResult(answer.error());
  if (answer->flags & SECCOMP_USER_NOTIF_FLAG_CONTINUE) return std::nullopt;
  return SyscallResult(answer->error != 0 ? int64_t{answer->error} : int64_t{answer->val});
}

void SeccompListener::Hangup() {
  {
    MutexLock l(mu_);
    hung_up_ = true;
  }
  events_.Notify(EPOLLHUP);
}

Result<SeccompNotice> SeccompListener::Take() {
  MutexLock l(mu_);
  for (SeccompNotice& notice : notices_) {
    if (notice.state != SeccompNotice::kNew) continue;
    notice.state = SeccompNotice::kSeen;
    return notice;
  }
  return Errno(hung_up_ ? ENOENT : EAGAIN);
}

void SeccompListener::PutBack(uint64_t id) {
  MutexLock l(mu_);
  SeccompNotice* notice = FindLocked(id);
  if (notice != nullptr && notice->state == SeccompNotice::kSeen) notice->state = SeccompNotice::kNew;
}

Result<void> SeccompListener::Answer(const seccomp_notif_resp& answer) {
  {
    MutexLock l(mu_);
    SeccompNotice* notice = FindLocked(answer.id);
    if (notice == nullptr) return Errno(ENOENT);
    if (notice->state != SeccompNotice::kSeen) return Errno(EINPROGRESS);
    notice->state = SeccompNotice::kAnswered;
    notice->answer = answer;
  }
  answers_.Notify(EPOLLIN);
  return {};
}

Result<RefPtr<Task>> SeccompListener::Find(uint64_t id) {
  MutexLock l(mu_);
  const SeccompNotice* notice = FindLocked(id);
  if (notice == nullptr || notice->state != SeccompNotice::kSeen) return Errno(ENOENT);
  return notice->task;
}

void SeccompListener::Close() {
  {
    MutexLock l(mu_);
    closed_ = true;
  }
  answers_.Notify(EPOLLIN);
}

EventMask SeccompListener::Readiness(EventMask mask) {
  EventMask ready = 0;
  MutexLock l(mu_);
  for (const SeccompNotice& notice : notices_) {
    if (notice.state == SeccompNotice::kNew) ready |= EPOLLIN | EPOLLRDNORM;
    if (notice.state == SeccompNotice::kSeen) ready |= EPOLLOUT | EPOLLWRNORM;
  }
  if (hung_up_) ready |= EPOLLHUP;
  return ready & (mask | EPOLLHUP);
}

}  // namespace runsc
