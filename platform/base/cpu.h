// On which CPU a thread runs.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace runsc {

// The number of the caller's CPU, without a system call; stale as soon as it is returned. Linux keeps it in the limit
// of a segment of its own (arch/x86/include/asm/segment.h: __CPUNODE_SEG), which is what getcpu(2) in the vDSO reads.
inline uint32_t CurrentCpu() {
  uint32_t limit = 0;
  asm volatile("lsl %1, %0" : "+r"(limit) : "r"(0x7bu) : "cc");
  return limit & 0xfff;
}

// Binds a thread (0: the calling one) to one CPU. Where it may not run, it stays as it was.
void BindToCpu(pid_t tid, uint32_t cpu);

}  // namespace runsc
