// New threads and processes: clone(2) in all its forms.
#include <linux/sched.h>

#include <algorithm>

#include "sentry/kernel/host_placement.h"
#include "sentry/kernel/host_thread.h"
#include "sentry/kernel/namespaces.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/process_timers.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/seccomp.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/terminal.h"
#include "sentry/kernel/trace_stop.h"

namespace runsc {
namespace {

constexpr uint64_t kKnownFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VFORK | CLONE_PARENT |
                                 CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
                                 CLONE_CHILD_CLEARTID | CLONE_DETACHED | CLONE_UNTRACED | CLONE_CHILD_SETTID |
                                 CLONE_IO | CLONE_PTRACE | CLONE_CLEAR_SIGHAND | CLONE_PIDFD | CSIGNAL;

// Those started from outside have none that could wait for a sibling.
bool HasParent(const Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  return task.thread_group().parent != nullptr;
}

Result<void> CheckFlags(const Task& task, uint64_t flags, int exit_signal) {
  if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) return Errno(EINVAL);
  if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) return Errno(EINVAL);
  if ((flags & CLONE_CLEAR_SIGHAND) && (flags & CLONE_SIGHAND)) return Errno(EINVAL);
  if ((flags & CLONE_NEWNS) && (flags & CLONE_FS)) return Errno(EINVAL);
  if ((flags & CLONE_PARENT) && !HasParent(task)) return Errno(EINVAL);
  if ((flags & CLONE_NEWUSER) && (flags & (CLONE_THREAD | CLONE_FS))) return Errno(EINVAL);
  if ((flags & CLONE_NEWPID) && (flags & CLONE_THREAD)) return Errno(EINVAL);
  if ((flags & CLONE_PIDFD) && (flags & (CLONE_THREAD | CLONE_DETACHED))) return Errno(EINVAL);
  // Threads stay in the pid namespace of their process.
  if ((flags & CLONE_THREAD) && PidNamespaceForChildren(task) != task.thread_group().pid_ns) return Errno(EINVAL);
  if (flags & ~kKnownFlags & ~kOwnNamespaces) return Errno(EINVAL);
  if (exit_signal < 0 || exit_signal > kMaxSignal) return Errno(EINVAL);
  return {};
}

RefPtr<SharedSignalActions> CopyActions(const SharedSignalActions& actions, bool clear_handlers) {
  auto copy = MakeRef<SharedSignalActions>();
  copy->value = actions.value;
  if (!clear_handlers) return copy;
  for (auto& action : copy->value.actions) {
    if (action.handler > 1) action = {};
  }
  return copy;
}

// What a new process takes from its parent.
void InheritLocked(ThreadGroup& child, ThreadGroup& parent, uint64_t flags)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  child.pgid = parent.pgid;
  child.sid = parent.sid;
  child.terminal = parent.terminal;
  std::copy_n(parent.limits, RLIM_NLIMITS, child.limits);
  child.oom_score_adj = parent.oom_score_adj;
  child.core_filter = parent.core_filter;
  child.dumpable = parent.dumpable;
  child.exe_path = parent.exe_path;
  child.personality = parent.personality;
  child.container = parent.container;
  child.frozen = parent.frozen;
  child.actions = (flags & CLONE_SIGHAND) ? parent.actions : CopyActions(*parent.actions, flags & CLONE_CLEAR_SIGHAND);
  child.timers = std::make_shared<ThreadGroup::Timers>(child);
}

// Numbers below the first pid namespace, if the child is in one.
Result<void> NumberChild(Task& child, const std::vector<int32_t>& set_tid) {
  PidNamespace* const ns = child.thread_group().pid_ns.get();
  if (ns == nullptr) return {};
  MutexLock l(child.kernel().task_set_mu());
  return AddToPidNamespacesLocked(ns, child.tid(), set_tid);
}

// clone3's set_tid may name a number for each namespace the child is in, the innermost first.
Result<int> ReserveTidLocked(Kernel& kernel, int depth, const Task::CloneArgs& args)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  const size_t inner = static_cast<size_t>(depth);
  if (args.set_tid.size() > inner + 1) return Errno(EINVAL);
  if (args.set_tid.size() <= inner) return kernel.AllocatePidLocked(nullptr);
  TRY(kernel.ClaimPidLocked(args.set_tid[inner]));
  return args.set_tid[inner];
}

}  // namespace

// The engine's half of a child: what its first instruction finds.
ThreadStart Task::ChildStart(const CloneArgs& args, const Task& child) {
  ThreadStart start;
  start.regs = context_->ReadRegisters();
  start.regs.rax = 0;
  if (args.stack != 0) start.regs.rsp = args.stack;
  if (args.flags & CLONE_SETTLS) start.regs.fs_base = args.tls;
  const auto fp = context_->ReadFpState();
  start.fp_state.assign(fp.begin(), fp.end());
  start.signal_mask = run_->saved_mask.value_or(context_->SignalMask());
  const ThreadIdentity who = IdentityOf(child, *child.creds());
  start.tid = who.tid, start.tgid = who.tgid;
  start.uid = who.uid, start.euid = who.euid, start.gid = who.gid, start.egid = who.egid;
  if (args.flags & CLONE_CHILD_SETTID) start.set_child_tid = args.child_tid;
  if (args.flags & CLONE_CHILD_CLEARTID) start.clear_child_tid = args.child_tid;
  return start;
}

// Threads and vfork children are host threads of the same stub; other children get a copy of it.
Result<void> Task::AttachContext(const CloneArgs& args, Task& child, const ThreadStart& start) {
  if (args.flags & CLONE_VM) {
    child.context_ = TRY(mm_->NewThread(*this, start));
    child.mm_ = mm_;
    return {};
  }
  auto forked = TRY(mm_->address_space().Fork(*context_, start));
  child.context_ = std::move(forked.context);
  child.mm_ = mm_->AdoptFork(std::move(forked.address_space));
  return {};
}

Result<RefPtr<Task>> Task::MakeChild(const CloneArgs& args, int tid) {
  const bool thread = args.flags & CLONE_THREAD;
  Parts parts;
  parts.thread_group = thread ? thread_group_ : MakeRef<ThreadGroup>(kernel_, tid);
  parts.fds = (args.flags & CLONE_FILES) ? fds_ : fds_->Fork();
  parts.fs = (args.flags & CLONE_FS) ? fs_ : fs_->Fork();
  const FreshNamespaces fresh = TRY(MakeNamespaces(*this, args.flags, *parts.fs));
  if (!thread) parts.thread_group->pid_ns = fresh.set->pid_for_children;
  parts.creds = fresh.creds ? fresh.creds : creds_;
  parts.name = name();
  auto child = MakeRef<Task>(kernel_, std::move(parts), tid);
  SetNamespaces(*child, fresh.set);
  InheritSeccomp(*this, *child);
  TRY(NumberChild(*child, args.set_tid));
  if (!(args.flags & CLONE_VM) || (args.flags & CLONE_VFORK)) child->sigaltstack = sigaltstack;
  child->affinity = affinity;
  const bool reset = sched_policy & SCHED_RESET_ON_FORK;  // no child is better off than others
  child->sched_policy = sched_policy & ~SCHED_RESET_ON_FORK;
  child->nice = reset ? std::max(nice.load(), 0) : nice.load();
  child->io_priority = io_priority.load();
  HostCpusChanged(*child, affinity);
  child->timer_slack_ns = child->default_timer_slack_ns = timer_slack_ns;
  child->run().login = run_->login;
  child->run().read_implies_exec = run_->read_implies_exec;
  ThreadStart start = ChildStart(args, *child);
  const bool sibling = thread || (args.flags & CLONE_PARENT);
  {
    MutexLock l(kernel_.task_set_mu());
    ThreadGroup* parent = sibling ? thread_group_->parent : thread_group_.get();
    start.ppid = parent != nullptr ? PidToGuestLocked(*child, parent->pid()) : 0;
  }
  auto ready = AttachContext(args, *child, start);
  if (ready.ok() && run_->announce_child) ready = run_->announce_child(child->thread_group());
  if (ready.ok()) return child;
  MutexLock l(kernel_.task_set_mu());
  RemoveFromPidNamespacesLocked(child->thread_group().pid_ns.get(), tid);
  return ready.error();
}

namespace {

// What the tracer calls this kind of clone; 0: nothing of interest to it.
int TraceEventOf(Task& task, const Task::CloneArgs& args) {
  if (args.flags & CLONE_UNTRACED) return 0;
  const int event = (args.flags & CLONE_VFORK)    ? PTRACE_EVENT_VFORK
                    : args.exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE
                                                  : PTRACE_EVENT_FORK;
  return WantsEvent(task, event) ? event : 0;
}

}  // namespace

// Makes the child visible, unless the process was told to die meanwhile.
Result<void> Task::PublishChild(const CloneArgs& args, Task& child, bool traced) {
  MutexLock l(kernel_.task_set_mu());
  if (thread_group_->exiting || thread_group_->exec_waiter != nullptr || kernel_.shutting_down()) return kRestartNoIntr;
  ThreadGroup& group = child.thread_group();
  if (thread_group_->frozen) child.run_->work.fetch_or(RunState::kFreeze);
  kernel_.InsertTaskLocked(child);
  group.tasks.push_back(&child);
  if (traced && TracerOfLocked(*this) != nullptr) InheritTracerLocked(*this, child);
  if (args.flags & CLONE_THREAD) {
    if (group.stopped) child.run_->work.fetch_or(RunState::kStop);
    return {};
  }
  ThreadGroup* parent = (args.flags & CLONE_PARENT) ? thread_group_->parent : thread_group_.get();
  InheritLocked(group, *thread_group_, args.flags);
  if (PidNamespace* ns = group.pid_ns.get(); ns != nullptr && ns->init == nullptr && !ns->dead) ns->init = &group;
  group.leader = &child;
  child.run_->creator_tid = (args.flags & CLONE_PARENT) ? run_->creator_tid : tid();
  group.exit_signal = (args.flags & CLONE_PARENT) ? thread_group_->exit_signal : args.exit_signal;
  group.parent = parent;
  parent->children.push_back(RefPtr<ThreadGroup>(&group));
  kernel_.InsertThreadGroupLocked(group);
  return {};
}

SyscallResult Task::Clone(const CloneArgs& args) {
  TRY(CheckFlags(*this, args.flags, args.exit_signal));
  ReservedThread thread("task", kTaskStackSize);
  if (!thread.valid()) return Errno(EAGAIN);
  const RefPtr<PidNamespace> pid_ns = PidNamespaceForChildren(*this);
  const int depth = (pid_ns ? pid_ns->level() : 0) + ((args.flags & CLONE_NEWPID) ? 1 : 0);
  int tid;
  {
    MutexLock l(kernel_.task_set_mu());
    TRY(kernel_.CheckContainerLimitLocked(*this));
    if (!(args.flags & CLONE_THREAD)) TRY(kernel_.CheckProcessLimitLocked(*this));
    tid = TRY(ReserveTidLocked(kernel_, depth, args));
  }
  auto made = MakeChild(args, tid);
  if (!made.ok()) return ReturnPid(tid, made.error());
  RefPtr<Task> child = *made;
  const int guest_tid = PidToGuest(*this, tid);
  if ((args.flags & CLONE_PARENT_SETTID) && !CopyOutObject<int32_t>(args.parent_tid, guest_tid).ok()) {
    // Linux ignores it too.
  }
  RefPtr<VforkLatch> latch;
  if (args.flags & CLONE_VFORK) {
    latch = MakeRef<VforkLatch>();
    latch->parent = RefPtr<Task>(this);
    child->run_->vfork_latch = latch;
    child->vfork_child = true;
  }
  const int event = TraceEventOf(*this, args);
  if (auto published = PublishChild(args, *child, event != 0 || (args.flags & CLONE_PTRACE)); !published.ok()) {
    MutexLock l(kernel_.task_set_mu());
    RemoveFromPidNamespacesLocked(child->thread_group().pid_ns.get(), tid);
    kernel_.RemoveTaskLocked(tid);
    return published.error();
  }
  const std::shared_ptr<ThreadGroup::Timers> timers = child->thread_group().timers;  // the child may end at once
  child->Launch();
  child->StartThread(std::move(thread));
  if (!(args.flags & CLONE_THREAD) && rlimit(RLIMIT_CPU) != RLIM_INFINITY) timers->ArmCpuLimit();
  if (event != 0) StopAtTaskEvent(*this, event, tid);
  if (latch) WaitForVfork(*latch);
  if (latch && !(args.flags & CLONE_UNTRACED)) StopAtTaskEvent(*this, PTRACE_EVENT_VFORK_DONE, tid);
  return guest_tid;
}

Errno Task::ReturnPid(int tid, Errno error) {
  MutexLock l(kernel_.task_set_mu());
  kernel_.RemoveTaskLocked(tid);
  return error;
}

// Only SIGKILL gets the parent out early, as on Linux.
void Task::WaitForVfork(VforkLatch& latch) {
  while (!latch.released) {
    if (!BlockKillable().ok()) return;
  }
}

}  // namespace runsc
