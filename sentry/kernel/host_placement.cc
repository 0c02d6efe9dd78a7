#include "sentry/kernel/host_placement.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>

#include "sentry/kernel/run_state.h"

namespace runsc {
namespace {

cpu_set_t ToHostSet(const std::array<uint64_t, 16>& mask) {
  cpu_set_t cpus;
  static_assert(sizeof(cpus) == sizeof(mask));
  std::memcpy(&cpus, mask.data(), sizeof(cpus));
  return cpus;
}

bool IsAll(const std::array<uint64_t, 16>& mask) {
  return std::all_of(mask.begin(), mask.end(), [](uint64_t word) { return word == 0; });
}

// The host may refuse more than it gave the sandbox: then the thread stays as it is.
void ApplyPriority(pid_t host_tid, int policy, int nice) {
  const sched_param param{};
  (void)sched_setscheduler(host_tid, policy & ~SCHED_RESET_ON_FORK, &param);
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(host_tid), nice);
}

}  // namespace

void PlaceHostThread(Task& task) {
  Task::RunState& run = task.run();
  const pid_t host_tid = task.context().host_tid();
  run.placed = true;
  run.host_tid = host_tid;
  const int nice = task.nice, policy = task.sched_policy;
  if (nice != 0 || policy != SCHED_OTHER) {
    run.has_priority = true;
    ApplyPriority(host_tid, policy, nice);
  }
  if (run.cpus.version() != 0) {
    const cpu_set_t cpus = run.cpus.Get();
    (void)sched_setaffinity(host_tid, sizeof(cpus), &cpus);
  }
}

void ResetHostThread(Task& task) {
  Task::RunState& run = task.run();
  const pid_t host_tid = run.host_tid.exchange(0);
  run.placed = false;
  if (host_tid != 0 && run.has_priority.exchange(false)) ApplyPriority(host_tid, SCHED_OTHER, 0);
}

void HostPriorityChanged(Task& task) {
  Task::RunState& run = task.run();
  run.has_priority = true;
  if (const pid_t host_tid = run.host_tid; host_tid != 0) ApplyPriority(host_tid, task.sched_policy, task.nice);
}

void HostCpusChanged(Task& task, const std::array<uint64_t, 16>& mask) {
  if (IsAll(mask)) return;
  const cpu_set_t cpus = ToHostSet(mask);
  task.run().cpus.Set(cpus);
  if (const pid_t host_tid = task.run().host_tid; host_tid != 0) {
    (void)sched_setaffinity(host_tid, sizeof(cpus), &cpus);
  }
}

}  // namespace runsc
