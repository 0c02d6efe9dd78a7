#include "sentry/kernel/seccomp.h"

#include <linux/audit.h>
#include <sys/syscall.h>

#include <algorithm>

#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/trace_stop.h"

namespace runsc {
namespace {

constexpr size_t kMaxPathLength = 32768, kPathCostPerFilter = 4;
constexpr uint32_t kMaxErrno = 4095;
constexpr int kSeccompStrict = SECCOMP_MODE_STRICT, kSeccompFilter = SECCOMP_MODE_FILTER;

bool IsAncestor(const SeccompFilter* ancestor, const SeccompFilter* filter) {
  if (ancestor == nullptr) return true;
  for (; filter != nullptr; filter = filter->previous.get()) {
    if (filter == ancestor) return true;
  }
  return false;
}

int32_t Severity(uint32_t verdict) { return static_cast<int32_t>(verdict & SECCOMP_RET_ACTION_FULL); }

bool ChainNeedsIp(const SeccompFilter* filter) {
  for (; filter != nullptr; filter = filter->previous.get()) {
    if (filter->program.looks_at_instruction_pointer()) return true;
  }
  return false;
}

seccomp_data DataOf(Task& task, const SyscallRequest& request, bool with_ip) {
  seccomp_data data{};
  data.nr = static_cast<int>(request.number);
  data.arch = AUDIT_ARCH_X86_64;
  if (with_ip) data.instruction_pointer = task.context().ReadRegisters().rip;
  std::copy_n(request.args, 6, data.args);
  return data;
}

struct Verdict {
  uint32_t value = SECCOMP_RET_ALLOW;
  const SeccompFilter* by = nullptr;
};

// All of them run, the newest first; the most severe counts, of equals the newest.
Verdict RunAll(const SeccompFilter* filter, const seccomp_data& data) {
  Verdict verdict;
  for (; filter != nullptr; filter = filter->previous.get()) {
    const uint32_t value = filter->program.Run(data);
    if (Severity(value) < Severity(verdict.value)) verdict = {value, filter};
  }
  return verdict;
}

// SIGSYS, with the registers as they were before the call.
SyscallResult Trap(Task& task, const SyscallRequest& request, uint32_t data) {
  siginfo_t info{};
  info.si_signo = SIGSYS;
  info.si_code = 1;  // SYS_SECCOMP
  info.si_errno = static_cast<int>(data);
  info.si_call_addr = reinterpret_cast<void*>(task.context().ReadRegisters().rip);
  info.si_syscall = static_cast<int>(request.number);
  info.si_arch = AUDIT_ARCH_X86_64;
  task.ForceSignal(info);
  return static_cast<int64_t>(request.number);
}

SyscallResult KillThread(Task& task, int signo) {
  bool last;
  {
    MutexLock l(task.kernel().task_set_mu());
    last = task.thread_group().tasks.size() == 1;
  }
  if (last) {
    task.ExitGroup(signo);
  } else {
    task.run().exiting = true;
    task.run().exit_status = signo;
  }
  return int64_t{0};
}

std::optional<SyscallResult> CheckStrict(Task& task, const SyscallRequest& request) {
  switch (static_cast<uint32_t>(request.number)) {
    case SYS_read:
    case SYS_write:
    case SYS_exit:
    case SYS_rt_sigreturn:
      return std::nullopt;
    default:
      return KillThread(task, SIGKILL);
  }
}

// Once for a filter, so that most calls need not be run through it, nor reach the sentry at all.
CallSet JudgedBy(const BpfProgram& program, const SeccompFilter* previous) {
  CallSet judged = previous != nullptr ? previous->judged : CallSet();
  for (size_t number = 0; number < judged.size(); ++number) {
    if (judged[number]) continue;
    judged[number] = program.RunOnNumber(static_cast<int>(number), AUDIT_ARCH_X86_64) != SECCOMP_RET_ALLOW;
  }
  return judged;
}

void SetFilterLocked(Task& task, RefPtr<const SeccompFilter> filter)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  task.run().seccomp_now = filter.get();
  task.run().seccomp = std::move(filter);
  task.run().seccomp_mode = kSeccompFilter;
}

RefPtr<const SeccompFilter> FilterOf(const Task& task) {
  MutexLock l(task.kernel().task_set_mu());
  return task.run().seccomp;
}

// A sibling that cannot follow: it has filters that the caller does not have.
Task* FindObstacleLocked(Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  for (Task* other : task.thread_group().tasks) {
    if (other == &task || other->run().dead) continue;
    if (other->run().seccomp_mode == kSeccompStrict) return other;
    if (!IsAncestor(other->run().seccomp.get(), task.run().seccomp.get())) return other;
  }
  return nullptr;
}

void ShareLocked(Task& task, const RefPtr<const SeccompFilter>& filter)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
  for (Task* other : task.thread_group().tasks) {
    if (other == &task || other->run().dead) continue;
    SetFilterLocked(*other, filter);
    other->NoticeWorkLocked(Task::RunState::kRefresh, false);
  }
}

}  // namespace

SeccompFilter::SeccompFilter(BpfProgram p, RefPtr<const SeccompFilter> before, RefPtr<SeccompListener> l, bool log)
    : program(std::move(p)),
      previous(std::move(before)),
      listener(std::move(l)),
      log(log),
      path_length(program.size() + (previous ? previous->path_length + kPathCostPerFilter : 0)),
      judged(JudgedBy(program, previous.get())) {}

SeccompFilter::~SeccompFilter() {
  if (listener) listener->Hangup();
  // In a loop: a chain may be longer than the stack is deep.
  for (RefPtr<const SeccompFilter> at = std::move(previous); at && at->ref_count() == 1;) at = std::move(at->previous);
}

Result<void> EnterStrictMode(Task& task) {
  if (task.run().seccomp_mode == kSeccompFilter) return Errno(EINVAL);
  MutexLock l(task.kernel().task_set_mu());
  task.run().seccomp_mode = kSeccompStrict;
  return {};
}

Result<int> AddSeccompFilter(Task& task, BpfProgram program, RefPtr<SeccompListener> listener, bool log, bool sync) {
  Task::RunState& run = task.run();
  if (run.seccomp_mode == kSeccompStrict) return Errno(EINVAL);
  RefPtr<const SeccompFilter> before = FilterOf(task);
  if (program.size() + (before ? before->path_length + kPathCostPerFilter : 0) > kMaxPathLength) return Errno(ENOMEM);
  auto filter = MakeRef<SeccompFilter>(std::move(program), before, std::move(listener), log);
  RefPtr<const SeccompFilter> fresh = filter;
  {
    MutexLock l(task.kernel().task_set_mu());
    if (run.seccomp != before) return Errno(EAGAIN);  // a sibling's TSYNC came between
    if (sync) {
      if (Task* obstacle = FindObstacleLocked(task)) return obstacle->tid();
    }
    SetFilterLocked(task, fresh);
    if (sync) ShareLocked(task, fresh);
  }
  return 0;
}

bool HasSeccompListener(const Task& task) {
  const RefPtr<const SeccompFilter> own = FilterOf(task);
  for (const SeccompFilter* filter = own.get(); filter != nullptr; filter = filter->previous.get()) {
    if (filter->listener) return true;
  }
  return false;
}

SeccompStatus SeccompStatusOf(const Task& task) {
  SeccompStatus status;
  status.mode = task.run().seccomp_mode;
  const RefPtr<const SeccompFilter> own = FilterOf(task);
  for (const SeccompFilter* filter = own.get(); filter != nullptr; filter = filter->previous.get()) ++status.filters;
  return status;
}

void InheritSeccomp(const Task& parent, Task& child) {
  MutexLock l(parent.kernel().task_set_mu());
  if (parent.run().seccomp) return SetFilterLocked(child, parent.run().seccomp);
  child.run().seccomp_mode = parent.run().seccomp_mode.load();
}

void DropSeccomp(Task& task) {
  RefPtr<const SeccompFilter> filter;
  MutexLock l(task.kernel().task_set_mu());
  std::swap(filter, task.run().seccomp);
  task.run().seccomp_now = nullptr;
}

namespace {

std::optional<SyscallResult> RunFilters(Task& task, SyscallRequest& request, bool asked);

// The tracer decides; what it makes of the call is judged again, but it is not asked again.
std::optional<SyscallResult> AskTracer(Task& task, SyscallRequest& request, uint32_t data) {
  if (!WantsEvent(task, PTRACE_EVENT_SECCOMP)) return SyscallResult(Errno(ENOSYS));
  if (const auto skipped = StopForSeccomp(task, request, data)) return SyscallResult(*skipped);
  if (task.run().work & Task::RunState::kKill) return SyscallResult(int64_t{0});
  return RunFilters(task, request, true);
}

std::optional<SyscallResult> RunFilters(Task& task, SyscallRequest& request, bool asked) {
  // Without the lock: a filter that a sibling replaces is kept by the new one.
  const SeccompFilter* filter = task.run().seccomp_now;
  const auto number = static_cast<uint32_t>(request.number);
  if (filter == nullptr || (number < filter->judged.size() && !filter->judged[number])) return std::nullopt;
  const seccomp_data data = DataOf(task, request, ChainNeedsIp(filter));
  const Verdict verdict = RunAll(filter, data);
  const uint32_t extra = verdict.value & SECCOMP_RET_DATA;
  switch (verdict.value & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
      return std::nullopt;
    case SECCOMP_RET_ERRNO:
      if (extra == 0) return SyscallResult(int64_t{0});
      return SyscallResult(-static_cast<int64_t>(std::min(extra, kMaxErrno)));
    case SECCOMP_RET_TRAP:
      return Trap(task, request, extra);
    case SECCOMP_RET_USER_NOTIF:
      if (!verdict.by->listener) return SyscallResult(Errno(ENOSYS));
      return verdict.by->listener->Ask(task, data);
    case SECCOMP_RET_TRACE:
      return asked ? std::nullopt : AskTracer(task, request, extra);
    case SECCOMP_RET_KILL_THREAD:
      return KillThread(task, SIGSYS);
    default:  // unknown actions kill too
      task.ExitGroup(SIGSYS);
      return SyscallResult(int64_t{0});
  }
}

}  // namespace

const CallSet& CallsToJudge(const Task& task) {
  static constexpr CallSet kNone{};
  static const CallSet kAll = ~CallSet();
  const SeccompFilter* filter = task.run().seccomp_now;
  if (filter != nullptr) return filter->judged;
  return task.run().seccomp_mode == kSeccompStrict ? kAll : kNone;
}

std::optional<SyscallResult> CheckSeccomp(Task& task, SyscallRequest& request) {
  if (task.run().seccomp_mode == kSeccompStrict) return CheckStrict(task, request);
  return RunFilters(task, request, false);
}

}  // namespace runsc
