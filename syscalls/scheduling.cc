// Scheduling policies: sched_setscheduler(2), sched_setattr(2) and their kin.
#include "syscalls/scheduling.h"

#include <algorithm>
#include <cstring>

#include "sentry/kernel/host_placement.h"
#include "sentry/kernel/pids.h"
#include "syscalls/handlers.h"

namespace runsc {

Result<RefPtr<Task>> FindOrSelf(Task& task, int pid) {
  if (pid < 0) return Errno(EINVAL);
  if (pid == 0) return RefPtr<Task>(&task);
  RefPtr<Task> other = task.kernel().FindTask(PidFromGuest(task, pid));
  if (!other) return Errno(ESRCH);
  return other;
}

bool MaySchedule(const Task& task, const Task& other) {
  const CredentialsRef me = task.creds(), you = other.CredsSnapshot();
  return me->euid == you->euid || me->euid == you->ruid || me->Has(CAP_SYS_NICE);
}

namespace {

bool MayLowerNice(const Task& task, const Task& target, int nice) {
  const auto limit = static_cast<int64_t>(std::min<uint64_t>(target.rlimit(RLIMIT_NICE), 40));
  return nice >= target.nice || task.creds()->Has(CAP_SYS_NICE) || 20 - nice <= limit;
}

}  // namespace

Result<void> SetNice(Task& task, Task& target, int nice) {
  if (!MaySchedule(task, target)) return Errno(EPERM);
  if (!MayLowerNice(task, target, nice)) return Errno(EACCES);
  target.nice = nice;
  HostPriorityChanged(target);
  return {};
}

namespace {

// Bits and sizes of struct sched_attr that older headers have not.
constexpr uint64_t kKeepPolicy = 0x08, kKeepParams = 0x10, kUtilClamp = 0x60, kKnownFlags = 0x7f;
constexpr uint32_t kFirstSize = 48, kMaxSize = 4096;
struct SchedAttr {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
  uint32_t util_min, util_max;
};
static_assert(sizeof(SchedAttr) == 56);

bool IsNormalPolicy(int policy) { return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE; }

Result<void> CheckPolicy(int policy, int priority) {
  if (IsNormalPolicy(policy)) return priority == 0 ? Result<void>() : Errno(EINVAL);
  if (policy != SCHED_FIFO && policy != SCHED_RR) return Errno(EINVAL);
  if (priority < 1 || priority > 99) return Errno(EINVAL);
  return Errno(EPERM);  // no real-time time is ever given to a sandbox
}

// Out of idleness only who might be as nice as it is; and the flag stays for who has no rights.
Result<void> CheckPolicyChange(const Task& task, const Task& target, int policy) {
  const bool leaves_idle = PolicyOf(target) == SCHED_IDLE && (policy & ~SCHED_RESET_ON_FORK) != SCHED_IDLE;
  const auto limit = static_cast<int64_t>(std::min<uint64_t>(target.rlimit(RLIMIT_NICE), 40));
  const bool clears_flag = (target.sched_policy & SCHED_RESET_ON_FORK) && !(policy & SCHED_RESET_ON_FORK);
  const bool refused = clears_flag || (leaves_idle && 20 - target.nice > limit);
  if (refused && !task.creds()->Has(CAP_SYS_NICE)) return Errno(EPERM);
  return MaySchedule(task, target) ? Result<void>() : Errno(EPERM);
}

Result<void> SetPolicy(Task& task, Task& target, int policy, int priority) {
  TRY(CheckPolicy(policy & ~SCHED_RESET_ON_FORK, priority));
  TRY(CheckPolicyChange(task, target, policy));
  target.sched_policy = policy;
  HostPriorityChanged(target);
  return {};
}

// E2BIG with the known size written back: bytes of a later version that say something.
Result<SchedAttr> CopyInAttr(Task& task, GuestAddr addr) {
  uint32_t size = TRY(task.CopyInObject<uint32_t>(addr));
  if (size == 0) size = kFirstSize;
  std::vector<char> bytes(std::clamp<size_t>(size, sizeof(SchedAttr), kMaxSize), 0);
  bool unknown = size < kFirstSize || size > kMaxSize;
  if (!unknown) {
    TRY(task.CopyIn(addr, bytes.data(), size));
    unknown = std::any_of(bytes.begin() + sizeof(SchedAttr), bytes.end(), [](char c) { return c != 0; });
  }
  if (unknown) {
    TRY(task.CopyOutObject<uint32_t>(addr, sizeof(SchedAttr)));
    return Errno(E2BIG);
  }
  SchedAttr attr;
  std::memcpy(&attr, bytes.data(), sizeof(attr));
  if ((attr.flags & kUtilClamp) && size < sizeof(SchedAttr)) return Errno(EINVAL);
  attr.nice = std::clamp(attr.nice, -20, 19);
  return attr;
}

Result<void> CheckAttr(const SchedAttr& attr) {
  if (static_cast<int>(attr.policy) < 0 || (attr.flags & ~kKnownFlags)) return Errno(EINVAL);
  if (attr.flags & kUtilClamp) return Errno(EOPNOTSUPP);  // as without CONFIG_UCLAMP_TASK
  if (attr.policy == SCHED_DEADLINE && !(attr.flags & kKeepPolicy)) return Errno(EPERM);
  return {};
}

// The policy is one of the parameters that may be kept; its flag is not.
int PolicyWanted(const SchedAttr& attr, const Task& target) {
  if (attr.flags & kKeepPolicy) return target.sched_policy;
  const int policy = attr.flags & kKeepParams ? PolicyOf(target) : static_cast<int>(attr.policy);
  return policy | ((attr.flags & SCHED_FLAG_RESET_ON_FORK) ? SCHED_RESET_ON_FORK : 0);
}

}  // namespace

// sched_setscheduler(2)
SyscallResult SysSchedSetscheduler(Task& task, int pid, int policy, GuestAddr param_addr) {
  if (policy < 0 || param_addr == 0) return Errno(EINVAL);
  const int priority = TRY(task.CopyInObject<int32_t>(param_addr));
  const RefPtr<Task> target = TRY(FindOrSelf(task, pid));
  TRY(SetPolicy(task, *target, policy, priority));
  return int64_t{0};
}

// sched_getscheduler(2)
SyscallResult SysSchedGetscheduler(Task& task, int pid) {
  return int64_t{TRY(FindOrSelf(task, pid))->sched_policy.load()};
}

// sched_setattr(2)
SyscallResult SysSchedSetattr(Task& task, int pid, GuestAddr attr_addr, uint32_t flags) {
  if (attr_addr == 0 || pid < 0 || flags != 0) return Errno(EINVAL);
  const SchedAttr attr = TRY(CopyInAttr(task, attr_addr));
  const RefPtr<Task> target = TRY(FindOrSelf(task, pid));
  TRY(CheckAttr(attr));
  if (!(attr.flags & kKeepPolicy)) TRY(CheckPolicy(static_cast<int>(attr.policy), static_cast<int>(attr.priority)));
  const int nice = attr.flags & kKeepParams ? target->nice.load() : attr.nice;
  if (!MayLowerNice(task, *target, nice)) return Errno(EPERM);
  TRY(SetPolicy(task, *target, PolicyWanted(attr, *target), static_cast<int>(attr.priority)));
  target->nice = nice;
  HostPriorityChanged(*target);
  return int64_t{0};
}

// sched_getattr(2)
SyscallResult SysSchedGetattr(Task& task, int pid, GuestAddr attr_addr, uint32_t size, uint32_t flags) {
  if (attr_addr == 0 || pid < 0 || size > kMaxSize || size < kFirstSize || flags != 0) return Errno(EINVAL);
  const RefPtr<Task> target = TRY(FindOrSelf(task, pid));
  SchedAttr attr{};
  attr.size = std::min<uint32_t>(size, sizeof(attr));
  attr.policy = static_cast<uint32_t>(PolicyOf(*target));
  attr.flags = target->sched_policy & SCHED_RESET_ON_FORK ? SCHED_FLAG_RESET_ON_FORK : 0;
  attr.nice = target->nice;
  TRY(task.CopyOut(attr_addr, &attr, attr.size));
  return int64_t{0};
}

// sched_setparam(2)
SyscallResult SysSchedSetparam(Task& task, int pid, GuestAddr param_addr) {
  if (param_addr == 0) return Errno(EINVAL);
  const int priority = TRY(task.CopyInObject<int32_t>(param_addr));
  TRY(FindOrSelf(task, pid));
  return priority == 0 ? SyscallResult(int64_t{0}) : Errno(EINVAL);
}

// sched_getparam(2)
SyscallResult SysSchedGetparam(Task& task, int pid, GuestAddr param_addr) {
  if (param_addr == 0) return Errno(EINVAL);
  TRY(FindOrSelf(task, pid));
  TRY(task.CopyOutObject<int32_t>(param_addr, 0));
  return int64_t{0};
}

// sched_get_priority_max(2)
SyscallResult SysSchedGetPriorityMax(Task&, int policy) {
  if (policy == SCHED_FIFO || policy == SCHED_RR) return int64_t{99};
  return IsNormalPolicy(policy) || policy == SCHED_DEADLINE ? SyscallResult(int64_t{0}) : Errno(EINVAL);
}

// sched_get_priority_min(2)
SyscallResult SysSchedGetPriorityMin(Task&, int policy) {
  if (policy == SCHED_FIFO || policy == SCHED_RR) return int64_t{1};
  return IsNormalPolicy(policy) || policy == SCHED_DEADLINE ? SyscallResult(int64_t{0}) : Errno(EINVAL);
}

// sched_rr_get_interval(2)
SyscallResult SysSchedRrGetInterval(Task& task, int pid, GuestAddr addr) {
  TRY(FindOrSelf(task, pid));
  TRY(task.CopyOutObject(addr, timespec{0, 4'000'000}));
  return int64_t{0};
}

// sched_yield(2)
SyscallResult SysSchedYield(Task&) {
  sched_yield();
  return int64_t{0};
}

}  // namespace runsc
