// What the outside may do to the processes of one container (ThreadGroup::container).
#pragma once

#include <vector>

#include "sentry/kernel/kernel.h"

namespace runsc {

// From outside SIGKILL reaches an init too. EINVAL; signal 0 only checks.
Result<void> SignalFromOutside(ThreadGroup& process, int signo);
// Every process of the container.
Result<void> SignalContainer(Kernel& kernel, int container, int signo);
// Frozen processes run no guest code until they are thawed; SIGKILL ends them all the same. New ones of a frozen
// container start frozen.
void FreezeContainer(Kernel& kernel, int container, bool frozen);
std::vector<RefPtr<ThreadGroup>> ProcessesOf(Kernel& kernel, int container);

}  // namespace runsc
