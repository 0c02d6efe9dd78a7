#include "platform/host/start_up_memory_unsafe.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

namespace runsc {
namespace {

// So that there is much to give back, compared with what comes back at once with the code that looks.
[[gnu::used]] constexpr char kConstants[2 << 20] = {1};

std::string OwnPath() {
  char path[4096] = {};
  return std::string(path, static_cast<size_t>(std::max<ssize_t>(readlink("/proc/self/exe", path, sizeof(path)), 0)));
}

// For each mapping of this program's own file that may be read but not written.
template <typename Visit>
void ForEachOwnMapping(Visit visit) {
  const std::string own = OwnPath();
  std::ifstream maps("/proc/self/smaps");
  bool is_own = false;
  uintptr_t begin = 0, end = 0;
  for (std::string line; std::getline(maps, line);) {
    char rights[5] = {};
    size_t kib = 0;
    if (sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, rights) == 3) {
      is_own = line.ends_with(own) && std::string_view(rights).starts_with("r-");
    } else if (is_own && sscanf(line.c_str(), "Rss: %zu kB", &kib) == 1) {
      visit(begin, end, kib);
    }
  }
}

size_t KibInMemory() {
  size_t sum = 0;
  ForEachOwnMapping([&](uintptr_t, uintptr_t, size_t kib) { sum += kib; });
  return sum;
}

void ReadAll() {
  ForEachOwnMapping([](uintptr_t begin, uintptr_t end, size_t) {
    for (uintptr_t page = begin; page < end; page += 4096) (void)*reinterpret_cast<const volatile char*>(page);
  });
}

TEST(StartUpMemoryTest, CodeAndConstantsAreGivenBackAndComeBack) {
  ReadAll();
  const size_t all = KibInMemory();
  ReleaseStartUpMemory();
  EXPECT_LT(KibInMemory(), all / 2);
  ReadAll();
  EXPECT_EQ(KibInMemory(), all);
}

}  // namespace
}  // namespace runsc
