// Limits, usage and priorities.
#include <asm/prctl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include <algorithm>

#include "sentry/kernel/host_placement.h"
#include "sentry/kernel/pids.h"
#include "sentry/kernel/process_timers.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/wait.h"
#include "syscalls/handlers.h"
#include "syscalls/scheduling.h"

namespace runsc {
namespace {

constexpr uint32_t kQueryPersonality = 0xffffffff;

bool IsResource(int resource) { return resource >= 0 && resource < static_cast<int>(RLIM_NLIMITS); }

// Another process' limits: same user all over, or CAP_SYS_RESOURCE.
Result<RefPtr<Task>> LimitsTarget(Task& task, int pid) {
  if (pid == 0) return RefPtr<Task>(&task);
  pid = PidFromGuest(task, pid);
  if (pid == task.pid()) return RefPtr<Task>(&task);
  RefPtr<Task> other = task.kernel().FindTask(pid);
  if (!other) return Errno(ESRCH);
  const CredentialsRef me = task.creds(), you = other->CredsSnapshot();
  const bool same = me->ruid == you->ruid && me->ruid == you->euid && me->ruid == you->suid && me->rgid == you->rgid &&
                    me->rgid == you->egid && me->rgid == you->sgid;
  if (!same && !me->Has(CAP_SYS_RESOURCE)) return Errno(EPERM);
  return other;
}

Result<void> CheckNewLimit(const Task& task, int resource, const struct rlimit& old, const struct rlimit& wanted) {
  if (wanted.rlim_cur > wanted.rlim_max) return Errno(EINVAL);
  if (resource == RLIMIT_NOFILE && wanted.rlim_max > (1 << 20)) return Errno(EPERM);
  if (wanted.rlim_max > old.rlim_max && !task.creds()->Has(CAP_SYS_RESOURCE)) return Errno(EPERM);
  return {};
}

Result<struct rlimit> ExchangeLimit(Task& task, Task& target, int resource, const struct rlimit* wanted) {
  MutexLock l(task.kernel().task_set_mu());
  struct rlimit& slot = target.thread_group().limits[resource];
  const struct rlimit old = slot;
  if (wanted == nullptr) return old;
  TRY(CheckNewLimit(task, resource, old, *wanted));
  __atomic_store_n(&slot.rlim_cur, wanted->rlim_cur, __ATOMIC_RELAXED);
  __atomic_store_n(&slot.rlim_max, wanted->rlim_max, __ATOMIC_RELAXED);
  return old;
}

// Null once the process ended.
std::shared_ptr<ThreadGroup::Timers> TimersOf(ThreadGroup& group) {
  MutexLock l(group.kernel().task_set_mu());
  return group.timers;
}

// What holds a limit elsewhere than where it is looked up.
void LimitChanged(Task& target, int resource) {
  if (resource == RLIMIT_CPU) {
    if (const auto timers = TimersOf(target.thread_group())) timers->ArmCpuLimit();
  } else if (resource == RLIMIT_AS || resource == RLIMIT_DATA || resource == RLIMIT_STACK) {
    if (const RefPtr<MemoryManager> mm = target.MmSnapshot()) mm->ApplyLimits(target);
  }
}

// The threads that `which` and `who` mean in getpriority, setpriority and their io namesakes.
enum class Whom { kThread, kGroup, kUser };
Result<std::vector<RefPtr<Task>>> PriorityTargets(Task& task, Whom which, int who) {
  std::vector<RefPtr<Task>> targets;
  const int id = who != 0 ? PidFromGuest(task, who) : 0;
  const uid_t uid = who == 0 ? task.creds()->ruid : static_cast<uid_t>(who);
  MutexLock l(task.kernel().task_set_mu());
  if (which == Whom::kThread) {
    Task* thread = id == 0 ? &task : task.kernel().FindTaskLocked(id);
    return thread != nullptr ? Result(std::vector{RefPtr<Task>(thread)}) : Errno(ESRCH);
  }
  for (ThreadGroup* group : task.kernel().ThreadGroupsLocked()) {
    if (which == Whom::kGroup && group->pgid != (id == 0 ? task.thread_group().pgid : id)) continue;
    for (Task* thread : group->tasks) {
      if (which == Whom::kGroup || thread->CredsSnapshot()->ruid == uid) targets.emplace_back(thread);
    }
  }
  return targets.empty() ? Result<std::vector<RefPtr<Task>>>(Errno(ESRCH)) : targets;
}

Result<Whom> WhomOf(int which) {
  if (which < PRIO_PROCESS || which > PRIO_USER) return Errno(EINVAL);
  return which == PRIO_PROCESS ? Whom::kThread : which == PRIO_PGRP ? Whom::kGroup : Whom::kUser;
}

// --- the priority of I/O: a class and a level, in the 16 bits Linux keeps.
constexpr int kIoClassShift = 13, kIoLevels = 8;
enum IoClass { kIoNone, kIoRealTime, kIoBestEffort, kIoIdle };

Result<Whom> IoWhomOf(int which) {
  if (which < 1 || which > 3) return Errno(EINVAL);
  return which == 1 ? Whom::kThread : which == 2 ? Whom::kGroup : Whom::kUser;
}

Result<void> CheckIoPriority(const Task& task, int priority) {
  const int level = priority & (kIoLevels - 1), io_class = (priority >> kIoClassShift) & 7;
  if (io_class > kIoIdle || (io_class == kIoNone && level != 0)) return Errno(EINVAL);
  const bool privileged = task.creds()->Has(CAP_SYS_ADMIN) || task.creds()->Has(CAP_SYS_NICE);
  return io_class == kIoRealTime && !privileged ? Errno(EPERM) : Result<void>();
}

Result<void> SetIoPriority(Task& task, Task& target, int priority) {
  const CredentialsRef me = task.creds(), you = target.CredsSnapshot();
  if (you->ruid != me->euid && you->ruid != me->ruid && !me->Has(CAP_SYS_NICE)) return Errno(EPERM);
  target.io_priority = priority & 0xffff;
  return {};
}

// What the priority of a thread that never asked for one follows from.
int EffectiveIoPriority(const Task& task) {
  const int set = task.io_priority;
  if (set >> kIoClassShift != kIoNone) return set;
  if (PolicyOf(task) == SCHED_IDLE) return kIoIdle << kIoClassShift;
  return kIoBestEffort << kIoClassShift | (task.nice + 20) / 5;
}

std::array<uint64_t, 16> AllCpus(const Kernel& kernel) {
  std::array<uint64_t, 16> mask{};
  for (int cpu = 0; cpu < kernel.cpus() && cpu < 1024; ++cpu) mask[cpu / 64] |= uint64_t{1} << (cpu % 64);
  return mask;
}

size_t CpuMaskSize(const Kernel& kernel) { return static_cast<size_t>((kernel.cpus() + 63) / 64) * 8; }

}  // namespace

// getrlimit(2)
SyscallResult SysGetrlimit(Task& task, int resource, GuestAddr addr) {
  if (!IsResource(resource)) return Errno(EINVAL);
  TRY(task.CopyOutObject(addr, TRY(ExchangeLimit(task, task, resource, nullptr))));
  return int64_t{0};
}

// setrlimit(2)
SyscallResult SysSetrlimit(Task& task, int resource, GuestAddr addr) {
  const auto wanted = TRY(task.CopyInObject<struct rlimit>(addr));
  if (!IsResource(resource)) return Errno(EINVAL);
  TRY(ExchangeLimit(task, task, resource, &wanted));
  LimitChanged(task, resource);
  return int64_t{0};
}

// prlimit(2)
SyscallResult SysPrlimit64(Task& task, int pid, int resource, GuestAddr new_addr, GuestAddr old_addr) {
  if (!IsResource(resource)) return Errno(EINVAL);
  struct rlimit wanted {};
  if (new_addr != 0) wanted = TRY(task.CopyInObject<struct rlimit>(new_addr));
  const RefPtr<Task> target = TRY(LimitsTarget(task, pid));
  const auto old = TRY(ExchangeLimit(task, *target, resource, new_addr != 0 ? &wanted : nullptr));
  if (new_addr != 0) LimitChanged(*target, resource);
  if (old_addr != 0) TRY(task.CopyOutObject(old_addr, old));
  return int64_t{0};
}

// getrusage(2)
SyscallResult SysGetrusage(Task& task, int who, GuestAddr addr) {
  struct rusage usage {};
  if (who == RUSAGE_THREAD) {
    usage = TaskUsage(task);
  } else if (who == RUSAGE_SELF || who == RUSAGE_CHILDREN) {
    MutexLock l(task.kernel().task_set_mu());
    usage = who == RUSAGE_SELF ? GroupUsageLocked(task.thread_group()) : task.thread_group().children_usage;
  } else {
    return Errno(EINVAL);
  }
  if (who != RUSAGE_CHILDREN) AddMemoryUsage(task.mm(), usage);
  TRY(task.CopyOutObject(addr, usage));
  return int64_t{0};
}

// getpriority(2): the kernel's answer is 20 - nice.
SyscallResult SysGetpriority(Task& task, int which, int who) {
  int best = 20;
  for (const auto& thread : TRY(PriorityTargets(task, TRY(WhomOf(which)), who)))
    best = std::min(best, thread->nice.load());
  return int64_t{20 - best};
}

// setpriority(2)
SyscallResult SysSetpriority(Task& task, int which, int who, int nice) {
  nice = std::clamp(nice, -20, 19);
  Result<void> result;
  for (const auto& thread : TRY(PriorityTargets(task, TRY(WhomOf(which)), who))) {
    if (auto r = SetNice(task, *thread, nice); !r.ok()) result = r;
  }
  if (!result.ok()) return result.error();
  return int64_t{0};
}

// ioprio_set(2)
SyscallResult SysIoprioSet(Task& task, int which, int who, int priority) {
  TRY(CheckIoPriority(task, priority));
  for (const auto& thread : TRY(PriorityTargets(task, TRY(IoWhomOf(which)), who))) {
    TRY(SetIoPriority(task, *thread, priority));
  }
  return int64_t{0};
}

// ioprio_get(2): of one thread what was set, of several the best of what holds.
SyscallResult SysIoprioGet(Task& task, int which, int who) {
  const Whom whom = TRY(IoWhomOf(which));
  const auto targets = TRY(PriorityTargets(task, whom, who));
  if (whom == Whom::kThread) return int64_t{targets.front()->io_priority};
  int best = kIoIdle << kIoClassShift | (kIoLevels - 1);
  for (const auto& thread : targets) best = std::min(best, EffectiveIoPriority(*thread));
  return int64_t{best};
}

// sched_setaffinity(2)
SyscallResult SysSchedSetaffinity(Task& task, int pid, uint32_t size, GuestAddr addr) {
  std::array<uint64_t, 16> mask{};
  TRY(task.CopyIn(addr, mask.data(), std::min<size_t>(size, sizeof(mask))));
  const RefPtr<Task> target = TRY(FindOrSelf(task, pid));
  if (!MaySchedule(task, *target)) return Errno(EPERM);
  const auto all = AllCpus(task.kernel());
  bool any = false;
  for (size_t i = 0; i < mask.size(); ++i) any |= (mask[i] &= all[i]) != 0;
  if (!any) return Errno(EINVAL);
  {
    MutexLock l(task.kernel().task_set_mu());
    target->affinity = mask;
  }
  HostCpusChanged(*target, mask);
  return int64_t{0};
}

// sched_getaffinity(2): the number of bytes written.
SyscallResult SysSchedGetaffinity(Task& task, int pid, uint32_t size, GuestAddr addr) {
  const size_t needed = CpuMaskSize(task.kernel());
  if (size < needed || (size & 7)) return Errno(EINVAL);
  if (pid < 0) return Errno(ESRCH);
  const RefPtr<Task> target = TRY(FindOrSelf(task, pid));
  std::array<uint64_t, 16> mask;
  {
    MutexLock l(task.kernel().task_set_mu());
    mask = target->affinity;
  }
  if (std::all_of(mask.begin(), mask.end(), [](uint64_t word) { return word == 0; })) mask = AllCpus(task.kernel());
  TRY(task.CopyOut(addr, mask.data(), needed));
  return static_cast<int64_t>(needed);
}

// getcpu(2)
SyscallResult SysGetcpu(Task& task, GuestAddr cpu_addr, GuestAddr node_addr) {
  const uint32_t cpu = static_cast<uint32_t>(std::max(sched_getcpu(), 0));
  if (cpu_addr != 0) TRY(task.CopyOutObject(cpu_addr, cpu));
  if (node_addr != 0) TRY(task.CopyOutObject(node_addr, uint32_t{0}));
  return int64_t{0};
}

// personality(2)
SyscallResult SysPersonality(Task& task, uint32_t persona) {
  MutexLock l(task.kernel().task_set_mu());
  const uint32_t old = task.thread_group().personality;
  if (persona == kQueryPersonality) return int64_t{old};
  task.thread_group().personality = persona;
  task.run().read_implies_exec = persona & READ_IMPLIES_EXEC;
  return int64_t{old};
}

// arch_prctl(2): %gs may point anywhere below the end of user addresses, as in the stub's own answer.
SyscallResult SysArchPrctl(Task& task, int code, GuestAddr addr) {
  Registers regs = task.context().ReadRegisters();
  if (code == ARCH_GET_FS || code == ARCH_GET_GS) {
    TRY(task.CopyOutObject(addr, code == ARCH_GET_FS ? regs.fs_base : regs.gs_base));
    return int64_t{0};
  }
  if (code != ARCH_SET_FS && code != ARCH_SET_GS) return Errno(EINVAL);
  constexpr GuestAddr kUserEnd = 0x7ffffffff000;
  if (addr >= (code == ARCH_SET_FS ? task.mm().layout().max_addr : kUserEnd)) return Errno(EPERM);
  (code == ARCH_SET_FS ? regs.fs_base : regs.gs_base) = addr;
  regs.rax = 0;
  task.ReplaceRegisters(regs);
  return int64_t{0};
}

}  // namespace runsc
