// What the host kernel and CPU offer the engine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace runsc::stub {

struct HostFeatures {
  bool fsgsbase = false;    // user-mode rdfsbase, wrfsbase
  int cpus = 1;             // CPUs this process may use
  uint64_t xsave_mask = 0;  // state components saved and restored for the guest
  size_t xsave_size = 0;
  uint32_t mxcsr_mask = 0;
  uint64_t cycles_per_us = 0;
};

HostFeatures ProbeHostFeatures();

}  // namespace runsc::stub
