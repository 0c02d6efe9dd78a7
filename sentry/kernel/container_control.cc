#include "sentry/kernel/container_control.h"

#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_send.h"

namespace runsc {
namespace {

void SignalFromOutsideLocked(ThreadGroup& process, int signo) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  if (signo == 0 || process.zombie) return;
  if (signo == SIGKILL) return KillGroupLocked(process, SIGKILL);
  siginfo_t info{};
  info.si_signo = signo;
  info.si_code = SI_USER;
  (void)SendToGroupLocked(process, info);
}

void SetFrozenLocked(ThreadGroup& process, bool frozen) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  process.frozen = frozen;
  for (Task* task : process.tasks) {
    if (frozen) {
      task->NoticeWorkLocked(Task::RunState::kFreeze, false);
    } else {
      task->run().work.fetch_and(~uint32_t{Task::RunState::kFreeze});
      task->Wake();
    }
  }
}

}  // namespace

Result<void> SignalFromOutside(ThreadGroup& process, int signo) {
  if (signo < 0 || signo > kMaxSignal) return Errno(EINVAL);
  MutexLock l(process.kernel().task_set_mu());
  SignalFromOutsideLocked(process, signo);
  return {};
}

Result<void> SignalContainer(Kernel& kernel, int container, int signo) {
  if (signo < 0 || signo > kMaxSignal) return Errno(EINVAL);
  MutexLock l(kernel.task_set_mu());
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
    if (group->container == container) SignalFromOutsideLocked(*group, signo);
  }
  return {};
}

Result<void> SignalGroup(Kernel& kernel, int container, int pgid, int signo) {
  if (signo < 0 || signo > kMaxSignal) return Errno(EINVAL);
  MutexLock l(kernel.task_set_mu());
  bool found = false;
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
    if (group->container != container || group->pgid != pgid) continue;
    SignalFromOutsideLocked(*group, signo);
    found = true;
  }
  return found ? Result<void>() : Errno(ESRCH);
}

void FreezeContainer(Kernel& kernel, int container, bool frozen) {
  MutexLock l(kernel.task_set_mu());
  for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
    if (group->container == container) SetFrozenLocked(*group, frozen);
  }
}

void SetTaskLimit(Kernel& kernel, int container, uint64_t limit) {
  MutexLock l(kernel.task_set_mu());
  kernel.SetTaskLimitLocked(container, limit);
}

uint64_t TaskLimit(Kernel& kernel, int container) {
  MutexLock l(kernel.task_set_mu());
  return kernel.TaskLimitLocked(container);
}

void SetAddressSpaceFamily(Kernel& kernel, int container, std::shared_ptr<AddressSpaceFamily> family) {
  std::shared_ptr<AddressSpaceFamily> gone;  // destroyed without the lock
  MutexLock l(kernel.task_set_mu());
  gone = kernel.SetFamilyLocked(container, std::move(family));
}

uint64_t CountTasks(Kernel& kernel, int container) {
  MutexLock l(kernel.task_set_mu());
  return kernel.CountTasksLocked(container);
}

namespace {

TaskActivity ActivityOf(Task& task) {
  const Task::RunState& run = task.run();
  TaskActivity activity{task.tid(), task.thread_group().pid(), task.name()};
  if (run.stopped || run.trace_stopped) {
    activity.kind = TaskActivity::kStopped;
  } else if (run.work & Task::RunState::kFreeze) {
    activity.kind = TaskActivity::kFrozen;
  } else if (!run.in_guest) {
    activity.kind = TaskActivity::kInCall;
    activity.call = run.current_call;
  }
  return activity;
}

}  // namespace

std::vector<TaskActivity> ActivityOf(Kernel& kernel, int container) {
  std::vector<RefPtr<Task>> tasks;
  {
    MutexLock l(kernel.task_set_mu());
    for (ThreadGroup* group : kernel.ThreadGroupsLocked()) {
      if (group->container != container) continue;
      for (Task* task : group->tasks) tasks.emplace_back(task);
    }
  }
  std::vector<TaskActivity> found;
  for (const RefPtr<Task>& task : tasks) found.push_back(ActivityOf(*task));
  return found;
}

std::vector<RefPtr<ThreadGroup>> ProcessesOf(Kernel& kernel, int container) {
  std::vector<RefPtr<ThreadGroup>> found;
  for (RefPtr<ThreadGroup>& group : kernel.ThreadGroups()) {
    if (group->container == container) found.push_back(std::move(group));
  }
  return found;
}

}  // namespace runsc
