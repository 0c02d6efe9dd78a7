#include "runsc-cli/sandbox/memory_usage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr size_t kMaxRollup = 16 << 10;
constexpr uint64_t kBlock = 512;
// Memory files that hold no file of the guest's.
constexpr std::string_view kOwnFiles[] = {"slots", "commands", "stub", "reservation", "config.json", "state.json"};

std::string Rollup(pid_t pid) {
  return ReadFileAt(AT_FDCWD, Cat("/proc/", pid, "/smaps_rollup"), kMaxRollup).value_or("");
}

// "/memfd:NAME (deleted)" -> whether NAME is a file of the guest's.
bool IsGuestFile(std::string_view link) {
  if (!ConsumePrefix(link, "/memfd:")) return false;
  ConsumeSuffix(link, " (deleted)");
  return std::find(std::begin(kOwnFiles), std::end(kOwnFiles), link) == std::end(kOwnFiles);
}

uint64_t MemoryFiles(pid_t sentry) {
  const std::string directory = Cat("/proc/", sentry, "/fd");
  std::set<ino_t> seen;
  uint64_t bytes = 0;
  for (const DirectoryEntry& entry : ListDirectory(AT_FDCWD, directory)) {
    const std::string path = Cat(directory, "/", entry.name);
    char link[64];
    const ssize_t size = readlink(path.c_str(), link, sizeof(link));
    struct stat st;
    if (size <= 0 || !IsGuestFile({link, static_cast<size_t>(size)}) || stat(path.c_str(), &st) != 0) continue;
    if (seen.insert(st.st_ino).second) bytes += static_cast<uint64_t>(st.st_blocks) * kBlock;
  }
  return bytes;
}

}  // namespace

uint64_t KilobyteLine(std::string_view text, std::string_view name) {
  for (std::string_view line : Split(text, '\n')) {
    if (!ConsumePrefix(line, name) || !ConsumePrefix(line, ":") || !ConsumeSuffix(line, " kB")) continue;
    return ParseNumber<uint64_t>(line.substr(std::min(line.rfind(' ') + 1, line.size()))).value_or(0) * 1024;
  }
  return 0;
}

MemoryUsage MeasureMemory(const ContainerState& state, const std::vector<pid_t>& stubs) {
  MemoryUsage usage;
  for (const pid_t stub : stubs) {
    const std::string text = Rollup(stub);
    usage.anonymous += KilobyteLine(text, "Pss_Anon");
    usage.mapped += KilobyteLine(text, "Pss_File");
  }
  usage.tmpfs = MemoryFiles(state.sandbox.pid);
  for (const pid_t pid : {state.sandbox.pid, state.gofer.pid}) {
    const std::string text = Rollup(pid);
    usage.system += KilobyteLine(text, "Pss_Anon") + KilobyteLine(text, "Pss_File");
  }
  return usage;
}

}  // namespace runsc
