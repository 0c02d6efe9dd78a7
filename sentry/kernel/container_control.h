// What the outside may do to the processes of one container (ThreadGroup::container).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sentry/kernel/kernel.h"

namespace runsc {

// From outside SIGKILL reaches an init too. EINVAL; signal 0 only checks.
Result<void> SignalFromOutside(ThreadGroup& process, int signo);
// Every process of the container.
Result<void> SignalContainer(Kernel& kernel, int container, int signo);
// Those of the process group, by the sentry's number. ESRCH.
Result<void> SignalGroup(Kernel& kernel, int container, int pgid, int signo);
// Frozen processes run no guest code until they are thawed; SIGKILL ends them all the same. New ones of a frozen
// container start frozen.
void FreezeContainer(Kernel& kernel, int container, bool frozen);
std::vector<RefPtr<ThreadGroup>> ProcessesOf(Kernel& kernel, int container);

// What a task is about, for an operator: a snapshot.
struct TaskActivity {
  int tid = 0, pid = 0;  // as the sandbox's first pid namespace counts
  std::string name;
  enum Kind { kGuestCode, kInCall, kStopped, kFrozen } kind = kGuestCode;
  uint64_t call = 0;  // kInCall: its number
};
std::vector<TaskActivity> ActivityOf(Kernel& kernel, int container);

// How many tasks the container may have at once: more fail with EAGAIN. The limit may be below what there is.
inline constexpr uint64_t kNoTaskLimit = UINT64_MAX;
void SetTaskLimit(Kernel& kernel, int container, uint64_t limit);
uint64_t TaskLimit(Kernel& kernel, int container);
// Where the programs of its processes get their address spaces from; null: from the platform itself.
void SetAddressSpaceFamily(Kernel& kernel, int container, std::shared_ptr<AddressSpaceFamily> family);
uint64_t CountTasks(Kernel& kernel, int container);

}  // namespace runsc
