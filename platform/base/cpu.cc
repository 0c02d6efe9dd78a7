// See cpu.h.
#include "platform/base/cpu.h"

#include <sched.h>

namespace runsc {

void BindToCpu(pid_t tid, uint32_t cpu) {
  if (cpu >= CPU_SETSIZE) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(tid, sizeof set, &set);
}

}  // namespace runsc
