// Pid namespaces: the numbers by which nested process trees know their tasks (pid_namespaces(7)).
#pragma once

#include <map>

#include "sentry/kernel/kernel.h"

namespace runsc {

class ThreadGroup;

// The sandbox's first one is a null pointer everywhere: it knows every task by the sentry's own number. All
// mutable fields are guarded by the kernel's task set lock.
class PidNamespace : public RefCounted {
 public:
  PidNamespace(RefPtr<PidNamespace> parent, RefPtr<UserNamespace> owner);
  const RefPtr<PidNamespace>& parent() const { return parent_; }
  const RefPtr<UserNamespace>& owner() const { return owner_; }
  int level() const { return level_; }  // the first one has 0
  uint64_t ino() const { return ino_; }

  // A number for the task the sentry calls `tid`, here only; `wanted` 0: the next free one.
  Result<int> AddLocked(int tid, int wanted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  void RemoveLocked(int tid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  int NumberLocked(int tid) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);   // 0: not in here
  int FindLocked(int number) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);  // 0: nobody
  size_t size_locked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) { return numbers_.size(); }

  ThreadGroup* init = nullptr;  // who adopts orphans; null before the first process and after it died
  bool dead = false;            // its init died: no new processes

 private:
  const RefPtr<PidNamespace> parent_;
  const RefPtr<UserNamespace> owner_;
  const int level_;
  const uint64_t ino_;
  int next_ ABSL_GUARDED_BY(task_set_capability) = 1;
  std::map<int, int> numbers_ ABSL_GUARDED_BY(task_set_capability);  // sentry's -> ours
  std::map<int, int> tids_ ABSL_GUARDED_BY(task_set_capability);     // ours -> sentry's
};

}  // namespace runsc
