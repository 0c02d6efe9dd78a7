// System V semaphore sets (semget(2), semop(2), semctl(2)).
#pragma once

#include <sys/sem.h>

#include <list>
#include <map>
#include <optional>
#include <span>

#include "sentry/ipc/ipc_limits.h"
#include "sentry/ipc/ipc_table.h"
#include "sentry/kernel/deadline.h"
#include "sentry/vfs/wait_queue.h"

namespace runsc {

class Task;
class ThreadGroup;

inline constexpr int kSemVmx = 32767;

class SemaphoreSet : public IpcObject {
 public:
  SemaphoreSet(const Credentials& creds, key_t key, uint32_t mode, int count);
  int size() const ABSL_NO_THREAD_SAFETY_ANALYSIS { return static_cast<int>(semaphores_.size()); }
  WaitQueue& queue() { return queue_; }

  // Who sleeps for what, for GETNCNT and GETZCNT.
  struct Sleeper {
    int semaphore = -1;
    bool for_zero = false;
  };
  // All of `ops` or none: true when done, false when they must wait (told in `sleeper`). EAGAIN for one with
  // IPC_NOWAIT, EIDRM, ERANGE. `process` carries the SEM_UNDO adjustments.
  Result<bool> TryLocked(std::span<const sembuf> ops, const ThreadGroup& process, Sleeper& sleeper)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::list<Sleeper*>& sleepers_locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return sleepers_; }

  int ValueLocked(int index) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return semaphores_[index].value; }
  int PidLocked(int index) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return semaphores_[index].pid; }
  int CountSleepersLocked(int index, bool for_zero) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // SETVAL and SETALL: forgets every process' adjustment of it.
  void SetLocked(int index, int value, int pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NoteChangeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { changed_ = Now(); }
  struct semid_ds StatLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasUndo(const ThreadGroup& process);
  // A process with adjustments is gone.
  void UndoFor(const ThreadGroup& process);

 private:
  struct Semaphore {
    int value = 0, pid = 0;
  };
  enum class Step { kDone, kWaits };
  using Adjustments = std::vector<int16_t>;
  Result<Step> ApplyOneLocked(const sembuf& op, int pid, Adjustments* adjust) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  std::vector<Semaphore> semaphores_ ABSL_GUARDED_BY(mu_);  // its size never changes
  std::map<const ThreadGroup*, Adjustments> undo_ ABSL_GUARDED_BY(mu_);
  std::list<Sleeper*> sleepers_ ABSL_GUARDED_BY(mu_);
  int64_t operated_ ABSL_GUARDED_BY(mu_) = 0, changed_ ABSL_GUARDED_BY(mu_);
  WaitQueue queue_;
};

class Semaphores {
 public:
  explicit Semaphores(const IpcLimits& limits) : limits_(limits), table_(limits.sem_mni) {}
  Result<int> Get(Task& task, key_t key, int count, int flags);
  Result<void> Operate(Task& task, int id, std::span<const sembuf> ops, Deadline deadline);
  Result<void> Remove(Task& task, int id);
  // Whether something is to be undone when the process ends.
  bool HasUndo(const ThreadGroup& process);
  void OnProcessExit(const ThreadGroup& process);
  IpcTable<SemaphoreSet>& table() { return table_; }

 private:
  Result<RefPtr<SemaphoreSet>> Make(Task& task, key_t key, int count, int flags);

  const IpcLimits& limits_;
  IpcTable<SemaphoreSet> table_;
  std::atomic<uint64_t> count_{0};  // semaphores in all sets
  std::atomic<bool> undo_used_{false};
};

}  // namespace runsc
