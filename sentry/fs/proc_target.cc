#include "sentry/fs/proc_target.h"

#include <charconv>

#include "sentry/kernel/trace_access.h"

namespace runsc {
ProcTarget::ProcTarget(RefPtr<ThreadGroup> group) : group_(std::move(group)) {}

ProcTarget::ProcTarget(RefPtr<ThreadGroup> group, RefPtr<Task> task)
    : group_(std::move(group)), thread_(std::move(task)) {}

Result<RefPtr<Task>> ProcTarget::task() const {
  Kernel& kernel = group_->kernel();
  MutexLock l(kernel.task_set_mu());
  if (kernel.FindThreadGroupLocked(group_->pid()) != group_.get()) return Errno(ESRCH);
  if (!thread_) return group_->leader != nullptr ? RefPtr<Task>(group_->leader) : Result<RefPtr<Task>>(Errno(ESRCH));
  for (Task* task : group_->tasks) {
    if (task == thread_.get()) return thread_;
  }
  return Errno(ESRCH);
}

// A leader that exited before its threads has no memory of its own any more; theirs is the same.
Result<RefPtr<MemoryManager>> ProcTarget::mm() const {
  TRY(task());
  for (const RefPtr<Task>& task : tasks()) {
    if (RefPtr<MemoryManager> mm = task->MmSnapshot()) return mm;
  }
  return RefPtr<MemoryManager>();
}

std::vector<RefPtr<Task>> ProcTarget::tasks() const {
  if (thread_) return {thread_};
  std::vector<RefPtr<Task>> tasks;
  MutexLock l(group_->kernel().task_set_mu());
  for (Task* task : group_->tasks) tasks.emplace_back(task);
  return tasks;
}

Result<void> ProcTarget::CheckMayInspect(Task& reader) const {
  RefPtr<Task> target = TRY(task());
  return CheckTraceAccess(reader, *target, EACCES, /*real_ids=*/false);
}

Result<ProcTarget> FindProcess(Kernel& kernel, int pid) {
  MutexLock l(kernel.task_set_mu());
  Task* task = kernel.FindTaskLocked(pid);
  if (task != nullptr) return ProcTarget(RefPtr<ThreadGroup>(&task->thread_group()));
  ThreadGroup* group = kernel.FindThreadGroupLocked(pid);
  if (group == nullptr) return Errno(ENOENT);
  return ProcTarget(RefPtr<ThreadGroup>(group));
}

int ParsePid(std::string_view name) {
  int pid = -1;
  if (name.empty() || name[0] == '0') return -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  return error == std::errc() && end == name.data() + name.size() && pid > 0 ? pid : -1;
}

}  // namespace runsc
