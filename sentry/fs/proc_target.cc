#include "sentry/fs/proc_target.h"

#include <charconv>

#include "sentry/kernel/trace_access.h"

namespace runsc {
ProcTarget::ProcTarget(RefPtr<ThreadGroup> group, RefPtr<Task> found_by)
    : group_(std::move(group)), thread_(std::move(found_by)) {}

ProcTarget ProcTarget::OfThread(RefPtr<ThreadGroup> group, RefPtr<Task> task) {
  ProcTarget target(std::move(group), std::move(task));
  target.whole_process_ = false;
  return target;
}

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
  if (!whole_process_) return {thread_};
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
  if (task != nullptr) {
    RefPtr<ThreadGroup> group(&task->thread_group());
    const bool leads = group->leader == task;
    return ProcTarget(std::move(group), leads ? nullptr : RefPtr<Task>(task));
  }
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
