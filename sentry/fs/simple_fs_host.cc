#include "sentry/fs/simple_fs_host.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <iterator>

namespace runsc {
namespace {

constexpr size_t kMaxSize = 4 << 20;

constexpr const char* kPaths[] = {
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/dirty_background_bytes",
    "/proc/sys/vm/dirty_background_ratio",
    "/proc/sys/vm/dirty_bytes",
    "/proc/sys/vm/dirty_expire_centisecs",
    "/proc/sys/vm/dirty_ratio",
    "/proc/sys/vm/dirty_writeback_centisecs",
    "/proc/sys/vm/max_map_count",
    "/proc/sys/vm/min_free_kbytes",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/overcommit_ratio",
    "/proc/sys/vm/page-cluster",
    "/proc/sys/vm/swappiness",
    "/proc/sys/vm/vfs_cache_pressure",
    "/proc/vmstat",
    "/sys/devices/system/clocksource/clocksource0/available_clocksource",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
    "/sys/kernel/mm/transparent_hugepage/defrag",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
    "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
};

struct Descriptors {
  int fd[std::size(kPaths)];
  Descriptors() {
    for (int& f : fd) f = -1;
  }
};

// Written once at boot, read-only afterwards.
Descriptors& Opened() {
  static Descriptors descriptors;
  return descriptors;
}

int FindDescriptor(std::string_view path) {
  for (size_t i = 0; i < std::size(kPaths); ++i) {
    if (path == kPaths[i]) return Opened().fd[i];
  }
  return -1;
}

// The number after "Name:", in bytes.
uint64_t MemoryField(const std::string& text, const char* name) {
  const size_t at = text.find(name);
  return at == std::string::npos ? 0 : strtoull(text.c_str() + at + strlen(name), nullptr, 10) * 1024;
}

}  // namespace

void OpenHostFacts() {
  for (size_t i = 0; i < std::size(kPaths); ++i) Opened().fd[i] = open(kPaths[i], O_RDONLY | O_CLOEXEC);
}

Result<std::string> ReadHostText(std::string_view path) {
  const int fd = FindDescriptor(path);
  if (fd < 0) return Errno(ENOENT);
  std::string text;
  char chunk[4096];
  while (text.size() < kMaxSize) {
    const ssize_t n = TRY(FromHost(pread(fd, chunk, sizeof(chunk), static_cast<off_t>(text.size()))));
    if (n == 0) break;
    text.append(chunk, n);
  }
  return text;
}

HostMemory ReadHostMemory() {
  const std::string text = ReadHostText("/proc/meminfo").value_or("");
  return {.total = MemoryField(text, "MemTotal:"),
          .free = MemoryField(text, "MemFree:"),
          .available = MemoryField(text, "MemAvailable:"),
          .buffers = MemoryField(text, "Buffers:"),
          .shared = MemoryField(text, "Shmem:")};
}

}  // namespace runsc
