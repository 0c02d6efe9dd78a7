// See host_features.h.
#include "platform/stub/host_features.h"

#include <cpuid.h>
#include <sched.h>
#include <sys/auxv.h>
#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstring>

namespace runsc::stub {
namespace {

// AMX tiles need a permission the stub never asks for; leaving them out keeps the image small.
constexpr uint64_t kTileComponents = 3ULL << 17;

uint64_t ReadXcr0() {
  uint32_t lo, hi;
  asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  return lo | static_cast<uint64_t>(hi) << 32;
}

// Size of the standard-format image with the components of `mask`. CPUID may trap into a hypervisor: what it says
// of all enabled components at once is enough where we want them all.
size_t XsaveSize(uint64_t mask) {
  if (mask == ReadXcr0()) {
    unsigned a, enabled, c, d;
    __cpuid_count(0xd, 0, a, enabled, c, d);
    return enabled;
  }
  size_t size = 576;
  for (unsigned component = 2; component < 63; component++) {
    if (!(mask >> component & 1)) continue;
    unsigned bytes = 0, offset = 0, c, d;
    __cpuid_count(0xd, component, bytes, offset, c, d);
    size = std::max<size_t>(size, bytes + offset);
  }
  return size;
}

uint32_t ReadMxcsrMask() {
  alignas(16) uint8_t image[512] = {};
  asm volatile("fxsave64 %0" : "=m"(image));
  uint32_t mask;
  memcpy(&mask, image + 28, sizeof mask);
  return mask ? mask : 0xffbf;
}

int CountCpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

int64_t NowNs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

uint64_t MeasureCyclesPerUs() {
  const int64_t begin = NowNs();
  const uint64_t cycles = __rdtsc();
  while (NowNs() - begin < 20000) _mm_pause();
  const uint64_t spent = __rdtsc() - cycles;
  return std::max<uint64_t>(1, spent * 1000 / static_cast<uint64_t>(NowNs() - begin));
}

}  // namespace

HostFeatures ProbeHostFeatures() {
  HostFeatures f;
  constexpr unsigned long kHwcapFsgsbase = 1 << 1;
  f.fsgsbase = getauxval(AT_HWCAP2) & kHwcapFsgsbase;
  f.cpus = CountCpus();
  f.xsave_mask = ReadXcr0() & ~kTileComponents;
  f.xsave_size = XsaveSize(f.xsave_mask);
  f.mxcsr_mask = ReadMxcsrMask();
  f.cycles_per_us = MeasureCyclesPerUs();
  return f;
}

}  // namespace runsc::stub
