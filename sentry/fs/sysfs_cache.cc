#include "sentry/fs/sysfs_cache.h"

#include <cpuid.h>

#include <cstdint>

namespace runsc {
namespace {

constexpr unsigned kIntelLeaf = 4, kAmdLeaf = 0x8000001d;
constexpr unsigned kMaxCaches = 8;

unsigned CacheLeaf() {
  unsigned a, b, c, d;
  constexpr unsigned kAmdSignature = 0x444d4163;  // "cAMD"
  if (__get_cpuid(0, &a, &b, &c, &d) && c == kAmdSignature) return kAmdLeaf;
  return kIntelLeaf;
}

}  // namespace

std::vector<CpuCache> QueryCpuCaches() {
  static constexpr const char* kTypes[] = {"", "Data", "Instruction", "Unified"};
  std::vector<CpuCache> caches;
  const unsigned leaf = CacheLeaf();
  for (unsigned i = 0; i < kMaxCaches; ++i) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(leaf, i, &a, &b, &c, &d)) break;
    const unsigned type = a & 31;
    if (type == 0 || type > 3) break;
    CpuCache cache;
    cache.type = kTypes[type];
    cache.level = static_cast<int>((a >> 5) & 7);
    cache.sharing = ((a >> 14) & 0xfff) + 1;
    cache.line_size = (b & 0xfff) + 1;
    cache.ways = (b >> 22) + 1;
    cache.sets = c + 1;
    const unsigned partitions = ((b >> 12) & 0x3ff) + 1;
    cache.size_kib = static_cast<unsigned>(uint64_t{cache.line_size} * partitions * cache.ways * cache.sets / 1024);
    caches.push_back(cache);
  }
  return caches;
}

}  // namespace runsc
