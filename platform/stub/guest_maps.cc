// See guest_maps.h.
#include "platform/stub/guest_maps.h"

#include <sys/ioctl.h>

#include <cerrno>
#include <cstdlib>

#include "platform/base/map_query.h"
#include "platform/stub/stub_layout.h"

namespace runsc::stub {
namespace {

struct MapLine {
  uint64_t begin, end;
  std::string_view prot;  // "r-xp"
};

// Parses "begin-end rwxp ..."; false for the attribute lines of smaps.
bool ParseMapLine(std::string_view line, MapLine* out) {
  char* next = nullptr;
  const std::string head(line.substr(0, 48));
  out->begin = strtoull(head.c_str(), &next, 16);
  if (next == head.c_str() || *next != '-') return false;
  const char* second = next + 1;
  out->end = strtoull(second, &next, 16);
  if (next == second || *next != ' ') return false;
  const size_t at = static_cast<size_t>(next - head.c_str()) + 1;
  if (line.size() < at + 4) return false;
  out->prot = line.substr(at, 4);
  return true;
}

// Calls f(line including its newline) for each line.
template <typename F>
void ForEachLine(std::string_view text, F f) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const size_t size = end == std::string_view::npos ? text.size() : end + 1;
    f(text.substr(0, size));
    text.remove_prefix(size);
  }
}

bool IsPrivateText(std::string_view maps, uint64_t addr) {
  bool found = false;
  ForEachLine(maps, [&](std::string_view line) {
    MapLine map;
    if (!ParseMapLine(line, &map) || addr < map.begin || addr >= map.end) return;
    found = map.prot[1] == '-' && map.prot[2] == 'x' && map.prot[3] == 'p';
  });
  return found;
}

}  // namespace

// A host before Linux 6.11 has no such question, and writes all of the text.
bool IsPrivateText(const Engine& engine, pid_t pid, uint64_t addr) {
  const auto maps = engine.OpenProc(pid, "maps");
  if (!maps.ok()) return false;
  MapQuery query{.addr = addr};
  if (ioctl(maps->get(), kMapQueryRequest, &query) == 0) {
    return (query.mapping & (kQueryWritable | kQueryExecutable | kQueryShared)) == kQueryExecutable;
  }
  if (errno != ENOTTY) return false;
  const auto text = engine.ReadProc(pid, "maps");
  return text.ok() && IsPrivateText(*text, addr);
}

std::string StripStubAreas(std::string_view text) {
  std::string out;
  bool keep = true;
  ForEachLine(text, [&](std::string_view line) {
    MapLine map;
    if (ParseMapLine(line, &map)) {
      const bool is_vdso = map.begin >= STUB_VDSO && map.end <= STUB_VDSO + 0x100000;
      keep = map.begin < GUEST_MAX_ADDR || (is_vdso && map.prot != "---p");
    }
    if (keep) out.append(line);
  });
  return out;
}

}  // namespace runsc::stub
