// The processor's caches, as CPUID describes them.
#pragma once

#include <vector>

namespace runsc {

struct CpuCache {
  int level = 0;
  const char* type = "";  // "Data", "Instruction", "Unified"
  unsigned line_size = 0, ways = 0, sets = 0, size_kib = 0;
  unsigned sharing = 1;  // processors that have it in common, at most
};

std::vector<CpuCache> QueryCpuCaches();

}  // namespace runsc
