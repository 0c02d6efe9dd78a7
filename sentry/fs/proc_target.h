// Whom a file under /proc/PID or /proc/PID/task/TID is about, and who may look.
#pragma once

#include <string>

#include "sentry/kernel/task.h"

namespace runsc {

class ProcTarget {
 public:
  // A whole process, as the one of its threads presents it by which it was found; null: its leader.
  explicit ProcTarget(RefPtr<ThreadGroup> group, RefPtr<Task> found_by = nullptr);
  // One thread.
  static ProcTarget OfThread(RefPtr<ThreadGroup> group, RefPtr<Task> task);

  Kernel& kernel() const { return group_->kernel(); }
  ThreadGroup& group() const { return *group_; }
  bool whole_process() const { return whole_process_; }
  // The thread, or the process' leader. ESRCH once it was waited for.
  Result<RefPtr<Task>> task() const;
  bool alive() const { return task().ok(); }
  // The address space. ESRCH; null for zombies.
  Result<RefPtr<MemoryManager>> mm() const;
  // ptrace(2)'s "access mode" rule for reading secrets. EACCES, ESRCH.
  Result<void> CheckMayInspect(Task& reader) const;
  // All threads of the process, or the thread.
  std::vector<RefPtr<Task>> tasks() const;

 private:
  RefPtr<ThreadGroup> group_;
  RefPtr<Task> thread_;  // null: the leader
  bool whole_process_ = true;
};

// A process by pid, or by the tid of any of its threads. ENOENT.
Result<ProcTarget> FindProcess(Kernel& kernel, int pid);
// Decimal without leading zeros; -1 for anything else.
int ParsePid(std::string_view name);

}  // namespace runsc
