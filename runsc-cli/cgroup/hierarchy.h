// Which cgroup hierarchies this host has, and where a container's directories in them are.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace runsc {

// One mounted hierarchy: v1 with some controllers, or the v2 one, which has the name "".
struct CgroupHierarchy {
  std::vector<std::string> names;  // "memory"; "cpu" and "cpuacct"; "name=systemd"; ""
  std::string mount_point;
  std::string mount_root;  // what of the hierarchy is mounted there
  std::string own_path;    // where this process is, from the root of the hierarchy

  bool unified() const { return names.size() == 1 && names[0].empty(); }
};

// From the texts of /proc/self/mountinfo and /proc/self/cgroup. A hierarchy mounted twice counts once.
std::vector<CgroupHierarchy> ParseCgroupHierarchies(std::string_view mountinfo, std::string_view self_cgroup);
absl::StatusOr<std::vector<CgroupHierarchy>> ReadCgroupHierarchies();

// A container's directory in every hierarchy, by controller name; "" is the v2 one. All of a host's controllers are
// in v2 if there is no other name.
using CgroupPaths = std::map<std::string, std::string>;

// Places linux.cgroupsPath as runc's cgroupfs manager does: an absolute path is one below each mount point, a relative
// one begins where this process is (in v2: beside it, as a cgroup has either processes or children).
absl::StatusOr<CgroupPaths> PlaceCgroup(const std::vector<CgroupHierarchy>& hierarchies, std::string_view path);

bool IsUnifiedOnly(const CgroupPaths& paths);

// systemd's naming, "slice:prefix:name". "system.slice:docker:1234" is the scope docker-1234.scope in system.slice.
struct SystemdCgroup {
  std::string slice;  // "a-b.slice"
  std::string unit;   // "docker-1234.scope", or "x.slice" when the name is one
};
absl::StatusOr<SystemdCgroup> ParseSystemdCgroup(std::string_view text, std::string_view id);
// "a-b.slice" lies in /a.slice/a-b.slice; "-.slice" is the root.
absl::StatusOr<std::string> ExpandSlice(std::string_view slice);

}  // namespace runsc
