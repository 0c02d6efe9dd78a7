// The end of threads and processes.
#include <sys/wait.h>

#include <mutex>

#include "sentry/kernel/exit_hooks.h"
#include "sentry/kernel/host_placement.h"
#include "sentry/kernel/job_control.h"
#include "sentry/kernel/namespaces.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/process_timers.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/robust_list.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/seccomp.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/trace_stop.h"
#include "sentry/kernel/wait.h"

namespace runsc {
namespace {

ThreadGroup* NewParentLocked(ThreadGroup& dying) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  ThreadGroup* init = dying.kernel().init();
  for (ThreadGroup* up = dying.parent; up != nullptr && up->pid_ns == dying.pid_ns; up = up->parent) {
    if (up->child_subreaper && !up->exiting && !up->zombie) return up;
  }
  PidNamespace* const ns = dying.pid_ns.get();
  if (ns != nullptr && ns->init != nullptr && ns->init != &dying) return ns->init;
  return &dying == init ? nullptr : init;
}

void SendParentDeathSignalLocked(ThreadGroup& child) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  for (Task* task : child.tasks) {
    if (task->pdeath_signal == 0) continue;
    (void)SendToGroupLocked(child, KernelSignal(task->pdeath_signal));
  }
}

void ReparentChildrenLocked(ThreadGroup& dying, std::vector<RefPtr<ThreadGroup>>& garbage)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  ThreadGroup* heir = NewParentLocked(dying);
  std::list<RefPtr<ThreadGroup>> children;
  children.swap(dying.children);
  for (auto& child : children) {
    garbage.push_back(child);
    child->parent = heir;
    SendParentDeathSignalLocked(*child);
    if (heir == nullptr) {
      if (child->zombie) ReapLocked(*child);
      continue;
    }
    heir->children.push_back(child);
    for (Task* task : child->tasks) task->NoticeWorkLocked(Task::RunState::kRefresh, false);
    child->exit_signal = SIGCHLD;
    if (child->zombie) NotifyParentOfExitLocked(*child);
  }
}

// True once nobody but the dying init `group` is left in its namespace; reaps what became its child.
bool IsAloneLocked(ThreadGroup& group, std::vector<RefPtr<ThreadGroup>>& garbage)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  const std::list<RefPtr<ThreadGroup>> children = group.children;
  for (const auto& child : children) {
    garbage.push_back(child);
    if (child->zombie) ReapLocked(*child);
  }
  for (ThreadGroup* other : group.kernel().ThreadGroupsLocked()) {
    if (other != &group && !other->zombie && SeesProcess(group.pid_ns.get(), *other)) return false;
  }
  return group.children.empty();
}

// A member's parent may be outside of the namespace: the init that waits for its end must hear of it as well.
void WakeDyingInitsLocked(ThreadGroup& member) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  for (PidNamespace* ns = member.pid_ns.get(); ns != nullptr; ns = ns->parent().get()) {
    if (ns->dead && ns->init != nullptr) ns->init->child_events.Notify(EPOLLIN);
  }
}

// The init process of a pid namespace takes everybody in it along.
void EndPidNamespace(Task& init) {
  ThreadGroup& group = init.thread_group();
  TaskWaiter waiter(init, EPOLLIN);
  group.child_events.Add(waiter);
  for (bool first = true, alone = false; !alone; first = false) {
    std::vector<RefPtr<ThreadGroup>> garbage;
    if (!first) init.BlockUntilWoken();
    MutexLock l(init.kernel().task_set_mu());
    group.pid_ns->dead = true;
    for (ThreadGroup* other : init.kernel().ThreadGroupsLocked()) {
      if (first && other != &group && SeesProcess(group.pid_ns.get(), *other)) KillGroupLocked(*other, SIGKILL);
    }
    alone = IsAloneLocked(group, garbage);
  }
  group.child_events.Remove(waiter);
  MutexLock l(init.kernel().task_set_mu());
  group.pid_ns->init = nullptr;
}

// Others may be looking for them; they are destroyed without the lock.
void EndTimers(ThreadGroup& group) {
  std::shared_ptr<ThreadGroup::Timers> timers;
  MutexLock l(group.kernel().task_set_mu());
  timers.swap(group.timers);
}

// What the thread ends with, if nothing changes that.
int ExitStatusLocked(Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  const ThreadGroup& group = task.thread_group();
  return group.exiting ? group.exit_status : task.run().exit_status;
}

int ExitStatusOf(Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  return ExitStatusLocked(task);
}

// A traced thread's end is its tracer's to hear of, and to end.
void KeepForTracerLocked(Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  const int status = ExitStatusLocked(task);
  task.run().tracee->exit_status = status;
  ++task.thread_group().traced_zombies;
  NotifyTracerLocked(task, ExitCode(status), ExitValue(status));
}

}  // namespace

void Task::Exit(int status) {
  run_->exiting = true;
  run_->exit_status = (status & 0xff) << 8;
}

void Task::ExitGroup(int wait_status) {
  MutexLock l(kernel_.task_set_mu());
  KillGroupLocked(*thread_group_, wait_status);
  run_->exiting = true;
}

void Task::ReleaseVforkParent() {
  if (!run_->vfork_latch) return;
  run_->vfork_latch->Release();
  run_->vfork_latch.reset();
  vfork_child = false;
}

// The stub is killed rather than unwound when nobody else uses it.
void Task::ReleaseMemory() {
  ResetHostThread(*this);
  if (mm_->ref_count() == 1) {
    mm_->address_space().Kill();
  } else if (context_) {
    context_->Exit();
  }
  std::unique_ptr<Context> context;
  RefPtr<MemoryManager> mm;
  {
    MutexLock l(mu_);
    if (context_) run_->past_user_ns += context_->CpuTimeNs();
    context.swap(context_);
    std::swap(mm, mm_);
  }
}

void Task::DoExit() {
  StopAtEvent(*this, PTRACE_EVENT_EXIT, static_cast<uint64_t>(ExitStatusOf(*this)), StopPlace::kExit);
  if (context_) {  // else it had no program yet
    WalkRobustList(*this, PidToGuest(*this, tid()));
    ReleaseMemory();
  }
  ReleaseVforkParent();
  ReleaseFiles();
  SetNamespaces(*this, nullptr);
  DropSeccomp(*this);
  LeaveThreadGroup();
}

// Closes what the last user of a descriptor table leaves open; each close(2) rule applies.
void Task::ReleaseFiles() {
  static std::mutex last_user_mu;  // two users leaving at once must not both think the other is last
  bool last;
  {
    std::lock_guard<std::mutex> l(last_user_mu);
    last = fds_->ref_count() == 1;
    if (!last) SetFds(nullptr);
  }
  if (last) {
    for (const auto& file : fds_->RemoveRange(0, ~0u)) file->OnClose(this);
    SetFds(nullptr);
  }
  SetFs(nullptr);
}

// Out of the group's list of threads; true for the last one. A leader stays in the table until the process is
// reaped.
bool Task::RemoveFromGroup(RefPtr<Task>& self) {
  std::vector<RefPtr<RefCounted>> garbage;  // freed outside the lock
  MutexLock l(kernel_.task_set_mu());
  ThreadGroup& group = *thread_group_;
  group.exited_user_ns += UserTimeNs();
  group.exited_system_ns += SystemTimeNs();
  group.past_io += run_->io.totals();
  ReleaseTraceesLocked(*this, garbage);  // and nobody can become one from here on
  run_->dead = true;
  group.tasks.remove(this);
  if (group.leader != this && TracerOfLocked(*this) != nullptr) {
    KeepForTracerLocked(*this);
  } else if (group.leader != this) {
    self = kernel_.RemoveTaskLocked(tid());
    RemoveFromPidNamespacesLocked(group.pid_ns.get(), tid());
  }
  if (group.exec_waiter != nullptr) group.exec_waiter->Wake();
  AnnounceStopIfCompleteLocked(group);
  return group.tasks.empty();
}

// The last thread of a process makes it a zombie; init's takes everybody with it.
void Task::LeaveThreadGroup() {
  RefPtr<Task> self;
  if (!RemoveFromGroup(self)) return;
  ThreadGroup& group = *thread_group_;
  const bool is_init = &group == kernel_.init();
  if (is_init) kernel_.KillAllButInit(*this);
  if (group.pid_ns && group.pid_ns->init == &group) EndPidNamespace(*this);
  EndTimers(group);
  RunProcessExitHooks(group);
  std::vector<RefPtr<ThreadGroup>> garbage{thread_group_};
  std::function<void(int)> on_exit;
  {
    MutexLock l(kernel_.task_set_mu());
    EndGroupLocked(garbage);
    on_exit.swap(group.on_exit);
  }
  if (on_exit) on_exit(group.exit_status);
  if (is_init) kernel_.PublishInitExit(group.exit_status);
}

void Task::EndGroupLocked(std::vector<RefPtr<ThreadGroup>>& garbage) {
  ThreadGroup& group = *thread_group_;
  if (!group.exiting) {
    group.exiting = true;
    group.exit_status = group.leader->run().exit_status;
  }
  HangUpNewOrphansLocked(group);
  DropTerminalLocked(group);
  ReparentChildrenLocked(group, garbage);
  group.zombie = true;
  WakeDyingInitsLocked(group);
  if (group.traced_zombies == 0) NotifyParentOfExitLocked(group);
}

}  // namespace runsc
