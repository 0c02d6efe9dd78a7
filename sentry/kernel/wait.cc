#include "sentry/kernel/wait.h"

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>

#include "sentry/kernel/pids.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/trace_stop.h"

namespace runsc {
namespace {

constexpr uint64_t kSaNoCldStop = 1, kSaNoCldWait = 2;
constexpr uint64_t kIgnoreHandler = 1;

timeval ToTimeval(uint64_t ns) {
  return {static_cast<time_t>(ns / kNsPerSecond), static_cast<suseconds_t>(ns % kNsPerSecond / 1000)};
}

uint64_t FromTimeval(const timeval& tv) { return tv.tv_sec * uint64_t{kNsPerSecond} + tv.tv_usec * uint64_t{1000}; }

const KernelSigaction& ChildAction(ThreadGroup& parent) { return parent.actions->value.actions[SIGCHLD]; }

uid_t OwnerOf(const ThreadGroup& group) { return group.leader != nullptr ? group.leader->CredsSnapshot()->ruid : 0; }

siginfo_t ChildSignal(ThreadGroup& group, int signo, int code, int value)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  siginfo_t info{};
  info.si_signo = signo;
  info.si_code = code;
  info.si_pid = group.parent->leader != nullptr ? PidToGuestLocked(*group.parent->leader, group.pid()) : 0;
  info.si_uid = OwnerOf(group);
  info.si_status = value;
  const long hz = 100;
  const auto usage = GroupUsageLocked(group);
  info.si_utime = FromTimeval(usage.ru_utime) * hz / kNsPerSecond;
  info.si_stime = FromTimeval(usage.ru_stime) * hz / kNsPerSecond;
  return info;
}

bool Matches(const ThreadGroup& child, const WaitQuery& query) {
  if (query.which == P_PID && child.pid() != query.id) return false;
  if (query.which == P_PIDFD && &child != query.process) return false;
  if (query.which == P_PGID && child.pgid != query.id) return false;
  const bool is_clone = child.exit_signal != SIGCHLD;
  return (query.options & __WALL) || is_clone == ((query.options & __WCLONE) != 0);
}

WaitOutcome Outcome(ThreadGroup& child, int code, int wait_status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  WaitOutcome outcome;
  outcome.pid = child.pid();
  outcome.uid = OwnerOf(child);
  outcome.code = code;
  outcome.wait_status = wait_status;
  outcome.usage = GroupUsageLocked(child);
  AddUsage(outcome.usage, child.children_usage);
  return outcome;
}

std::optional<WaitOutcome> TryExited(ThreadGroup& child, const WaitQuery& query)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  if (!child.zombie || child.traced_zombies > 0 || !(query.options & WEXITED)) return std::nullopt;
  WaitOutcome outcome = Outcome(child, ExitCode(child.exit_status), child.exit_status);
  if (!(query.options & WNOWAIT)) ReapLocked(child);
  return outcome;
}

std::optional<WaitOutcome> TryStopped(ThreadGroup& child, const WaitQuery& query)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  if (child.zombie || !child.stop_announced || child.stop_reported || !(query.options & WSTOPPED)) return std::nullopt;
  if (!(query.options & WNOWAIT)) child.stop_reported = true;
  return Outcome(child, CLD_STOPPED, W_STOPCODE(child.stop_signal));
}

std::optional<WaitOutcome> TryContinued(ThreadGroup& child, const WaitQuery& query)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  if (child.zombie || !child.continue_pending || !(query.options & WCONTINUED)) return std::nullopt;
  if (!(query.options & WNOWAIT)) child.continue_pending = false;
  return Outcome(child, CLD_CONTINUED, __W_CONTINUED);
}

bool MatchesTracee(const Task& tracee, const WaitQuery& query) {
  const ThreadGroup& group = tracee.thread_group();
  if (query.which == P_PID) return tracee.tid() == query.id;
  if (query.which == P_PIDFD) return &group == query.process && group.leader == &tracee;
  return query.which != P_PGID || group.pgid == query.id;
}

WaitOutcome ThreadOutcome(Task& tracee, int code, int wait_status) {
  WaitOutcome outcome;
  outcome.pid = tracee.tid();
  outcome.uid = tracee.CredsSnapshot()->ruid;
  outcome.code = code;
  outcome.wait_status = wait_status;
  outcome.usage = TaskUsage(tracee);
  return outcome;
}

std::optional<WaitOutcome> TryTraceStop(Task& tracee, const WaitQuery& query)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  Tracee& state = *tracee.run().tracee;
  if (!state.stopped || state.listening || state.unreported == 0) return std::nullopt;
  const int code = state.unreported;
  if (!(query.options & WNOWAIT)) state.unreported = 0;
  return ThreadOutcome(tracee, CLD_TRAPPED, W_STOPCODE(code));
}

std::optional<WaitOutcome> TryThreadExited(Task& tracee, const WaitQuery& query)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  if (!tracee.run().dead || !(query.options & WEXITED)) return std::nullopt;
  const int status = tracee.run().tracee->exit_status;
  const WaitOutcome outcome = ThreadOutcome(tracee, ExitCode(status), status);
  if (!(query.options & WNOWAIT)) ReapThreadLocked(tracee);
  return outcome;
}

// The end of a traced process is told to its parent after its tracer, if those are two.
std::optional<WaitOutcome> TryTraceeExited(Task& waiter, Task& tracee, WaitQuery query)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  ThreadGroup& group = tracee.thread_group();
  if (group.leader != &tracee) return TryThreadExited(tracee, query);
  if (group.parent == &waiter.thread_group()) return TryExited(group, query);
  const bool keep = query.options & WNOWAIT;
  query.options |= WNOWAIT;
  const auto outcome = TryExited(group, query);
  if (!outcome || keep) return outcome;
  UnlinkTraceeLocked(tracee);
  NotifyParentOfExitLocked(group);
  return outcome;
}

// What is to be told of children and tracees, one after the other. Whoever is reaped is freed outside the lock.
class EventSearch {
 public:
  EventSearch(Task& waiter, const WaitQuery& query) : waiter_(waiter), query_(query) {}
  bool found_any() const { return found_any_; }

  std::optional<WaitOutcome> TryChild(ThreadGroup& child) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
    if (IsOwnTracee(child) || !Matches(child, query_)) return std::nullopt;  // those are among the tracees
    Begin(child, child.pid());
    auto outcome = ForeignTracerLocked(child) == nullptr ? TryExited(child, query_) : std::nullopt;
    if (!outcome) outcome = TryStopped(child, query_);
    if (!outcome) outcome = TryContinued(child, query_);
    return WithNumber(outcome);
  }
  std::optional<WaitOutcome> TryTracee(Task& tracee) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
    if (!MatchesTracee(tracee, query_)) return std::nullopt;
    thread_ = RefPtr<Task>(&tracee);
    ThreadGroup& group = tracee.thread_group();
    Begin(group, tracee.tid());
    auto outcome = TryTraceeExited(waiter_, tracee, query_);
    if (!outcome && !tracee.run().dead) outcome = TryTraceStop(tracee, query_);
    if (!outcome && group.leader == &tracee) outcome = TryContinued(group, query_);
    return WithNumber(outcome);
  }

 private:
  bool IsOwnTracee(const ThreadGroup& child) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
    Task* tracer = child.leader != nullptr ? TracerOfLocked(*child.leader) : nullptr;
    return tracer != nullptr && &tracer->thread_group() == &waiter_.thread_group();
  }
  void Begin(ThreadGroup& group, int tid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
    found_any_ = true;
    group_ = RefPtr<ThreadGroup>(&group);
    number_ = PidToGuestLocked(waiter_, tid);
  }
  std::optional<WaitOutcome> WithNumber(std::optional<WaitOutcome> outcome) const {
    if (outcome) outcome->guest_pid = number_;
    return outcome;
  }

  Task& waiter_;
  const WaitQuery& query_;
  bool found_any_ = false;
  int number_ = 0;
  RefPtr<ThreadGroup> group_;
  RefPtr<Task> thread_;
};

// EAGAIN: there are matching children, but nothing to report yet.
Result<WaitOutcome> TryWait(Task& task, const WaitQuery& query) {
  EventSearch search(task, query);
  MutexLock l(task.kernel().task_set_mu());
  for (const auto& child : task.thread_group().children) {
    if (const auto outcome = search.TryChild(*child)) return *outcome;
  }
  for (Task* thread : task.thread_group().tasks) {
    if (thread != &task && (query.options & __WNOTHREAD)) continue;
    for (Task* tracee : thread->run().tracees) {
      if (const auto outcome = search.TryTracee(*tracee)) return *outcome;
    }
  }
  return Errno(search.found_any() ? EAGAIN : ECHILD);
}

}  // namespace

Result<WaitOutcome> WaitForChild(Task& task, const WaitQuery& query) {
  const auto attempt = [&] { return TryWait(task, query); };
  if (!(query.options & WNOHANG)) {
    return BlockUntil(task, task.thread_group().child_events, EPOLLIN, kNever, attempt);
  }
  auto result = attempt();
  if (!result.ok() && result.error() == Errno(EAGAIN)) return WaitOutcome{};
  return result;
}

int ExitCode(int wait_status) {
  return WIFEXITED(wait_status) ? CLD_EXITED : (WCOREDUMP(wait_status) ? CLD_DUMPED : CLD_KILLED);
}

int ExitValue(int wait_status) { return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : WTERMSIG(wait_status); }

bool WantsStopNews(ThreadGroup& group) {
  const KernelSigaction& action = ChildAction(group);
  return action.handler != kIgnoreHandler && !(action.flags & kSaNoCldStop);
}

void NotifyParentOfJobControlLocked(ThreadGroup& group, int code, int status) {
  ThreadGroup* parent = group.parent;
  if (parent == nullptr) return;
  if (!(ChildAction(*parent).flags & kSaNoCldStop)) {
    (void)SendToGroupLocked(*parent, ChildSignal(group, SIGCHLD, code, status));
  }
  parent->child_events.Notify(EPOLLIN);
}

void NotifyParentOfExitLocked(ThreadGroup& group) {
  ThreadGroup* parent = group.parent;
  group.exit_events.Notify(EPOLLIN);
  if (ForeignTracerLocked(group) != nullptr) {
    return NotifyTracerLocked(*group.leader, ExitCode(group.exit_status), ExitValue(group.exit_status));
  }
  if (parent == nullptr) return ReapLocked(group);
  const KernelSigaction& action = ChildAction(*parent);
  const bool is_sigchld = group.exit_signal == SIGCHLD;
  const bool traced = group.leader != nullptr && TracerOfLocked(*group.leader) != nullptr;
  const bool unwanted = !traced && is_sigchld && (action.handler == kIgnoreHandler || (action.flags & kSaNoCldWait));
  const int code = ExitCode(group.exit_status);
  if (group.exit_signal != 0 && !(is_sigchld && action.handler == kIgnoreHandler)) {
    (void)SendToGroupLocked(*parent, ChildSignal(group, group.exit_signal, code, ExitValue(group.exit_status)));
  }
  if (unwanted || parent->zombie) ReapLocked(group);
  parent->child_events.Notify(EPOLLIN);
}

void ReapThreadLocked(Task& task) {
  ThreadGroup& group = task.thread_group();
  UnlinkTraceeLocked(task);
  RemoveFromPidNamespacesLocked(group.pid_ns.get(), task.tid());
  const RefPtr<Task> last = task.kernel().RemoveTaskLocked(task.tid());
  if (--group.traced_zombies == 0 && group.zombie) NotifyParentOfExitLocked(group);
}

void ReapLocked(ThreadGroup& group) {
  Kernel& kernel = group.kernel();
  ThreadGroup* parent = group.parent;
  kernel.RemoveThreadGroupLocked(group.pid());
  if (group.leader != nullptr) UnlinkTraceeLocked(*group.leader);
  group.leader = nullptr;
  group.tasks.clear();
  kernel.RemoveTaskLocked(group.pid());
  RemoveFromPidNamespacesLocked(group.pid_ns.get(), group.pid());
  if (parent == nullptr) return;
  AddUsage(parent->children_usage, GroupUsageLocked(group));
  AddUsage(parent->children_usage, group.children_usage);
  parent->past_io += group.past_io;
  group.parent = nullptr;
  // Last: the list's reference may be the last one but the caller's.
  parent->children.remove_if([&](const RefPtr<ThreadGroup>& child) { return child.get() == &group; });
}

struct rusage TaskUsage(const Task& task) {
  struct rusage usage {};
  usage.ru_utime = ToTimeval(task.UserTimeNs());
  usage.ru_stime = ToTimeval(task.SystemTimeNs());
  return usage;
}

struct rusage GroupUsageLocked(ThreadGroup& group) {
  struct rusage usage = group.self_usage;
  uint64_t user = group.exited_user_ns, system = group.exited_system_ns;
  for (const Task* task : group.tasks) {
    if (task->run().dead) continue;
    user += task->UserTimeNs();
    system += task->SystemTimeNs();
  }
  usage.ru_utime = ToTimeval(user);
  usage.ru_stime = ToTimeval(system);
  return usage;
}

void AddMemoryUsage(MemoryManager& mm, struct rusage& usage) {
  if (const auto status = mm.address_space().ReadHostProc("status"); status.ok()) {
    if (const size_t at = status->find("VmHWM:"); at != std::string::npos)
      usage.ru_maxrss = std::atol(status->c_str() + at + 6);
  }
  if (const auto stat = mm.address_space().ReadHostProc("stat"); stat.ok()) {
    long minor = 0, major = 0;
    const size_t at = stat->rfind(')');
    if (at != std::string::npos &&
        std::sscanf(stat->c_str() + at, ") %*c %*d %*d %*d %*d %*d %*u %ld %*d %ld", &minor, &major) == 2) {
      usage.ru_minflt += minor;
      usage.ru_majflt += major;
    }
  }
}

void AddUsage(struct rusage& total, const struct rusage& more) {
  total.ru_utime = ToTimeval(FromTimeval(total.ru_utime) + FromTimeval(more.ru_utime));
  total.ru_stime = ToTimeval(FromTimeval(total.ru_stime) + FromTimeval(more.ru_stime));
  total.ru_maxrss = std::max(total.ru_maxrss, more.ru_maxrss);
  total.ru_minflt += more.ru_minflt;
  total.ru_majflt += more.ru_majflt;
  total.ru_nvcsw += more.ru_nvcsw;
  total.ru_nivcsw += more.ru_nivcsw;
}

}  // namespace runsc
