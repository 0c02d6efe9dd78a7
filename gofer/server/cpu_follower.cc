// See cpu_follower.h.
#include "gofer/server/cpu_follower.h"

#include "platform/base/cpu.h"

namespace runsc {

void CpuFollower::Follow(uint32_t cpu) {
  const bool settled = cpu == last_;
  last_ = cpu;
  if (!settled || cpu == bound_) return;
  BindToCpu(0, cpu);
  bound_ = cpu;
}

}  // namespace runsc
