#include "sentry/ipc/semaphores.h"

#include <algorithm>

#include "sentry/ipc/ipc_wait.h"

namespace runsc {
namespace {

constexpr int kMaxAdjustment = kSemVmx;  // SEMAEM

bool Alters(const sembuf& op) { return op.sem_op != 0; }

Result<void> CheckOperations(const SemaphoreSet& set, std::span<const sembuf> ops) {
  for (const sembuf& op : ops) {
    if (op.sem_num >= set.size()) return Errno(EFBIG);
  }
  return {};
}

}  // namespace

SemaphoreSet::SemaphoreSet(const Credentials& creds, key_t key, uint32_t mode, int count)
    : IpcObject(creds, key, mode), semaphores_(count), changed_(Now()) {}

// `adjust`: the caller's adjustments, null without SEM_UNDO.
Result<SemaphoreSet::Step> SemaphoreSet::ApplyOneLocked(const sembuf& op, int pid, Adjustments* adjust) {
  Semaphore& semaphore = semaphores_[op.sem_num];
  const int result = semaphore.value + op.sem_op;
  if ((op.sem_op == 0 && semaphore.value != 0) || result < 0) {
    return op.sem_flg & IPC_NOWAIT ? Result<Step>(Errno(EAGAIN)) : Step::kWaits;
  }
  if (result > kSemVmx) return Errno(ERANGE);
  if (adjust != nullptr) {
    const int adjusted = (*adjust)[op.sem_num] - op.sem_op;
    if (adjusted < -kMaxAdjustment - 1 || adjusted > kMaxAdjustment) return Errno(ERANGE);
    (*adjust)[op.sem_num] = static_cast<int16_t>(adjusted);
  }
  semaphore = {result, pid};
  return Step::kDone;
}

Result<bool> SemaphoreSet::TryLocked(std::span<const sembuf> ops, const ThreadGroup& process, Sleeper& sleeper) {
  TRY(CheckLiveLocked());
  std::vector<std::pair<int, Semaphore>> before;
  const bool undo = std::any_of(ops.begin(), ops.end(), [](const sembuf& op) { return op.sem_flg & SEM_UNDO; });
  Adjustments adjust;
  if (undo) {
    const auto it = undo_.find(&process);
    adjust = it != undo_.end() ? it->second : Adjustments(semaphores_.size());
  }
  for (const sembuf& op : ops) {
    before.emplace_back(op.sem_num, semaphores_[op.sem_num]);
    const auto step = ApplyOneLocked(op, process.pid(), op.sem_flg & SEM_UNDO ? &adjust : nullptr);
    if (step.ok() && *step == Step::kDone) continue;
    for (auto old = before.rbegin(); old != before.rend(); ++old) semaphores_[old->first] = old->second;
    if (!step.ok()) return step.error();
    sleeper = {op.sem_num, op.sem_op == 0};
    return false;
  }
  if (undo) undo_[&process] = std::move(adjust);
  operated_ = Now();
  return true;
}

int SemaphoreSet::CountSleepersLocked(int index, bool for_zero) const {
  return static_cast<int>(std::count_if(sleepers_.begin(), sleepers_.end(), [&](const Sleeper* s) {
    return s->semaphore == index && s->for_zero == for_zero;
  }));
}

void SemaphoreSet::SetLocked(int index, int value, int pid) {
  semaphores_[index] = {value, pid};
  for (auto& [process, adjust] : undo_) adjust[index] = 0;
}

struct semid_ds SemaphoreSet::StatLocked() const {
  struct semid_ds stat {};
  FillLocked(stat.sem_perm);
  stat.sem_otime = operated_, stat.sem_ctime = changed_;
  stat.sem_nsems = semaphores_.size();
  return stat;
}

bool SemaphoreSet::HasUndo(const ThreadGroup& process) {
  MutexLock l(mu_);
  return undo_.contains(&process);
}

void SemaphoreSet::UndoFor(const ThreadGroup& process) {
  {
    MutexLock l(mu_);
    const auto it = undo_.find(&process);
    if (it == undo_.end()) return;
    for (size_t i = 0; i < semaphores_.size(); ++i) {
      if (it->second[i] == 0) continue;
      semaphores_[i] = {std::clamp(semaphores_[i].value + it->second[i], 0, kSemVmx), process.pid()};
    }
    undo_.erase(it);
    operated_ = Now();
  }
  queue_.Notify(EPOLLIN);
}

Result<int> Semaphores::Get(Task& task, key_t key, int count, int flags) {
  if (count < 0 || static_cast<uint64_t>(count) > limits_.sem_msl.load()) return Errno(EINVAL);
  const auto check = [&](SemaphoreSet& set) -> Result<void> {
    if (count > set.size()) return Errno(EINVAL);
    MutexLock l(set.mu());
    return set.CheckAccessLocked(*task.creds(), flags & 0777);
  };
  return table_.Get(key, flags, check, [&] { return Make(task, key, count, flags); });
}

// Under the table's lock.
Result<RefPtr<SemaphoreSet>> Semaphores::Make(Task& task, key_t key, int count, int flags) {
  if (count == 0) return Errno(EINVAL);
  if (count_.load() + count > limits_.sem_mns.load()) return Errno(ENOSPC);
  count_ += count;
  return MakeRef<SemaphoreSet>(*task.creds(), key, flags, count);
}

Result<void> Semaphores::Operate(Task& task, int id, std::span<const sembuf> ops, Deadline deadline) {
  const RefPtr<SemaphoreSet> set = TRY(table_.Find(id));
  TRY(CheckOperations(*set, ops));
  const bool alters = std::any_of(ops.begin(), ops.end(), Alters);
  {
    MutexLock l(set->mu());
    TRY(set->CheckAccessLocked(*task.creds(), alters ? 0222 : 0444));
  }
  if (std::any_of(ops.begin(), ops.end(), [](const sembuf& op) { return op.sem_flg & SEM_UNDO; })) undo_used_ = true;
  SemaphoreSet::Sleeper sleeper;
  bool listed = false;
  auto outcome = WaitUntilDone(task, set->queue(), EPOLLIN, deadline, [&]() -> Result<bool> {
    MutexLock l(set->mu());
    const auto done = set->TryLocked(ops, task.thread_group(), sleeper);
    if (done.ok() && !*done && !listed) {
      set->sleepers_locked().push_back(&sleeper);
      listed = true;
    }
    return done;
  });
  if (listed) {
    MutexLock l(set->mu());
    set->sleepers_locked().remove(&sleeper);
  }
  if (outcome.ok() && alters) set->queue().Notify(EPOLLIN);
  if (outcome.error() == Errno(ETIMEDOUT)) return Errno(EAGAIN);
  return outcome.error() == kRestartSys ? Errno(EINTR) : outcome;
}

Result<void> Semaphores::Remove(Task& task, int id) {
  const RefPtr<SemaphoreSet> set = TRY(table_.Find(id));
  {
    MutexLock l(set->mu());
    TRY(set->CheckLiveLocked());
    TRY(set->CheckOwnerLocked(*task.creds()));
    set->SetRemovedLocked();
  }
  table_.Remove(*set);
  count_ -= set->size();
  set->queue().Notify(EPOLLIN);
  return {};
}

bool Semaphores::HasUndo(const ThreadGroup& process) {
  if (!undo_used_.load()) return false;
  const auto sets = table_.All();
  return std::any_of(sets.begin(), sets.end(), [&](const auto& set) { return set->HasUndo(process); });
}

void Semaphores::OnProcessExit(const ThreadGroup& process) {
  if (!undo_used_.load()) return;
  for (const auto& set : table_.All()) set->UndoFor(process);
}

}  // namespace runsc
