// Finds and places cgroups.
#include "runsc-cli/cgroup/hierarchy.h"

#include <fcntl.h>

#include <algorithm>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr size_t kMaxProcFile = 4 << 20;

// mountinfo writes space, tab, newline and backslash as octal.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

struct Membership {
  std::vector<std::string> names;
  std::string path;
};

// Lines "ID:NAMES:PATH" of /proc/self/cgroup.
std::vector<Membership> ParseMemberships(std::string_view text) {
  std::vector<Membership> out;
  for (std::string_view line : Split(text, '\n')) {
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    Membership membership;
    for (std::string_view name : Split(line.substr(first + 1, second - first - 1), ',')) {
      membership.names.emplace_back(name);
    }
    membership.path = std::string(line.substr(second + 1));
    out.push_back(std::move(membership));
  }
  return out;
}

bool HasOption(std::string_view options, std::string_view name) {
  const auto parts = Split(options, ',');
  return std::find(parts.begin(), parts.end(), name) != parts.end();
}

// The hierarchy a line of mountinfo mounts, with empty names if it mounts none.
CgroupHierarchy ParseMount(std::string_view line, const std::vector<Membership>& memberships) {
  const size_t separator = line.find(" - ");
  if (separator == line.npos) return {};
  const auto before = Split(line.substr(0, separator), ' ');
  const auto after = Split(line.substr(separator + 3), ' ');
  if (before.size() < 6 || after.size() < 3) return {};
  const bool v2 = after[0] == "cgroup2";
  if (!v2 && after[0] != "cgroup") return {};
  for (const Membership& m : memberships) {
    const bool match = v2 ? m.names[0].empty() : !m.names[0].empty() && HasOption(after[2], m.names[0]);
    if (match) return {m.names, Unescape(before[4]), Unescape(before[3]), m.path};
  }
  return {};
}

// `path` without "." and repeated slashes; ".." is refused.
absl::StatusOr<std::string> CleanPath(std::string_view path) {
  std::string out;
  for (std::string_view part : Split(path, '/')) {
    if (part == "..") return InvalidArgument("linux.cgroupsPath: \"", path, "\" must not contain \"..\"");
    if (!part.empty() && part != ".") out += Cat("/", part);
  }
  return out;
}

// Where this process is, seen from the mount point.
std::string OwnDirectory(const CgroupHierarchy& hierarchy) {
  std::string_view own = hierarchy.own_path;
  if (hierarchy.mount_root != "/") ConsumePrefix(own, hierarchy.mount_root);
  if (own == "/") own = "";
  if (hierarchy.unified() && !own.empty()) own = own.substr(0, own.rfind('/'));
  return std::string(own);
}

bool IsUnitName(std::string_view text) {
  return !text.empty() && text[0] != '.' && text.find_first_of("/\n") == text.npos;
}

}  // namespace

std::vector<CgroupHierarchy> ParseCgroupHierarchies(std::string_view mountinfo, std::string_view self_cgroup) {
  const std::vector<Membership> memberships = ParseMemberships(self_cgroup);
  std::vector<CgroupHierarchy> out;
  for (std::string_view line : Split(mountinfo, '\n')) {
    CgroupHierarchy found = ParseMount(line, memberships);
    const auto same = [&](const CgroupHierarchy& other) { return other.names == found.names; };
    if (!found.names.empty() && std::none_of(out.begin(), out.end(), same)) out.push_back(std::move(found));
  }
  return out;
}

absl::StatusOr<std::vector<CgroupHierarchy>> ReadCgroupHierarchies() {
  ASSIGN_OR_RETURN(const std::string mounts, ReadFileAt(AT_FDCWD, "/proc/self/mountinfo", kMaxProcFile));
  ASSIGN_OR_RETURN(const std::string own, ReadFileAt(AT_FDCWD, "/proc/self/cgroup", kMaxProcFile));
  return ParseCgroupHierarchies(mounts, own);
}

absl::StatusOr<CgroupPaths> PlaceCgroup(const std::vector<CgroupHierarchy>& hierarchies, std::string_view path) {
  ASSIGN_OR_RETURN(const std::string clean, CleanPath(path));
  if (clean.empty()) return InvalidArgument("linux.cgroupsPath: \"", path, "\" names the root of the hierarchy");
  CgroupPaths paths;
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    const std::string base = path.starts_with('/') ? "" : OwnDirectory(hierarchy);
    for (const std::string& name : hierarchy.names) paths[name] = Cat(hierarchy.mount_point, base, clean);
  }
  return paths;
}

bool IsUnifiedOnly(const CgroupPaths& paths) { return paths.size() == 1 && paths.begin()->first.empty(); }

absl::StatusOr<SystemdCgroup> ParseSystemdCgroup(std::string_view text, std::string_view id) {
  SystemdCgroup cgroup{"system.slice", Cat("runsc-", id, ".scope")};
  if (text.empty()) return cgroup;
  const auto parts = Split(text, ':');
  if (parts.size() != 3) {
    return InvalidArgument("linux.cgroupsPath: \"", text, "\" is not SLICE:PREFIX:NAME, which --systemd-cgroup needs");
  }
  if (!parts[0].empty()) cgroup.slice = std::string(parts[0]);
  if (!IsUnitName(parts[2])) return InvalidArgument("linux.cgroupsPath: \"", text, "\" has no usable name");
  cgroup.unit = parts[2].ends_with(".slice") ? std::string(parts[2])
                                             : Cat(parts[1], parts[1].empty() ? "" : "-", parts[2], ".scope");
  return cgroup;
}

absl::StatusOr<std::string> ExpandSlice(std::string_view slice) {
  std::string_view name = slice;
  if (name == "-.slice") return std::string();
  if (!ConsumeSuffix(name, ".slice") || !IsUnitName(name)) {
    return InvalidArgument("linux.cgroupsPath: \"", slice, "\" is no slice");
  }
  std::string path, prefix;
  for (std::string_view part : Split(name, '-')) {
    if (part.empty()) return InvalidArgument("linux.cgroupsPath: \"", slice, "\" is no slice");
    prefix += Cat(prefix.empty() ? "" : "-", part);
    path += Cat("/", prefix, ".slice");
  }
  return path;
}

}  // namespace runsc
