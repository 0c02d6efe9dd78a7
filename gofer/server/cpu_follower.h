// Keeps the calling thread on the CPU of those it serves.
#pragma once

#include <cstdint>

namespace runsc {

// A caller sleeps while it is served. On its CPU that is a switch there and back; on another one, which idles, two
// wake-ups of about 50 us on a virtual machine, and the scheduler prefers the idle one.
class CpuFollower {
 public:
  // The request being served came from `cpu`, if that is one. Moves when a second one in a row did, as moving is dear
  // too.
  void Follow(uint32_t cpu);

 private:
  static constexpr uint32_t kNone = ~0u;
  uint32_t last_ = kNone, bound_ = kNone;
};

}  // namespace runsc
