// See cpu_follower.h.
#include "gofer/server/cpu_follower.h"

#include <sched.h>

namespace runsc {

void CpuFollower::Follow(uint32_t cpu) {
  const bool settled = cpu == last_;
  last_ = cpu;
  if (!settled || cpu == bound_ || cpu >= CPU_SETSIZE) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);  // where it may not, it stays
  bound_ = cpu;
}

}  // namespace runsc
