// The container's cgroup as the guest may see it: files of the host, opened for the sandbox, read as cgroup v2.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"
#include "runsc-cli/cgroup/hierarchy.h"

namespace runsc {

// One open file, by its name on the host ("memory.limit_in_bytes").
struct CgroupFd {
  std::string name;
  UniqueFd fd;
};

// Those there are, for reading.
std::vector<CgroupFd> OpenCgroupView(const CgroupPaths& paths);

// The text of a host file by its name; nothing when it is not there.
using HostCgroupFile = std::function<std::optional<std::string>(const std::string& name)>;

// The v2 file `name`, from a v2 host's file of that name or from v1's files. Nothing: the container has no such
// control.
std::optional<std::string> CgroupViewText(const HostCgroupFile& host, const std::string& name);

}  // namespace runsc
