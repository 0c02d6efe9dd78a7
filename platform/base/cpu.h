// Which CPU the calling thread runs on, without a system call.
#pragma once

#include <cstdint>

namespace runsc {

// The number of the CPU; stale as soon as it is returned. Linux keeps it in the limit of a segment of its own
// (arch/x86/include/asm/segment.h: __CPUNODE_SEG), which is what getcpu(2) in the vDSO reads.
inline uint32_t CurrentCpu() {
  uint32_t limit = 0;
  asm volatile("lsl %1, %0" : "+r"(limit) : "r"(0x7bu) : "cc");
  return limit & 0xfff;
}

}  // namespace runsc
