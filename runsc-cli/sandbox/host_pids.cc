#include "runsc-cli/sandbox/host_pids.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

// The process' number in the innermost namespace it is in.
std::optional<pid_t> InnermostPid(pid_t pid) {
  const absl::StatusOr<std::string> status = ReadFileAt(AT_FDCWD, Cat("/proc/", pid, "/status"), 1 << 16);
  if (!status.ok()) return std::nullopt;
  for (std::string_view line : Split(*status, '\n')) {
    if (ConsumePrefix(line, "NSpid:")) return ParseNumber<pid_t>(line.substr(line.rfind('\t') + 1));
  }
  return std::nullopt;
}

bool SameNamespace(pid_t pid, const struct stat& wanted) {
  struct stat own;
  return stat(Cat("/proc/", pid, "/ns/pid").c_str(), &own) == 0 && own.st_ino == wanted.st_ino &&
         own.st_dev == wanted.st_dev;
}

}  // namespace

std::vector<pid_t> ToHostPids(const HostProcess& sandbox, const std::vector<pid_t>& inner) {
  std::vector<pid_t> found;
  struct stat ns;
  if (stat(Cat("/proc/", sandbox.pid, "/ns/pid").c_str(), &ns) != 0) return found;
  for (const DirectoryEntry& entry : ListDirectory(AT_FDCWD, "/proc")) {
    const std::optional<pid_t> pid = ParseNumber<pid_t>(entry.name);
    if (!pid || !SameNamespace(*pid, ns)) continue;
    const std::optional<pid_t> number = InnermostPid(*pid);
    if (number && std::find(inner.begin(), inner.end(), *number) != inner.end()) found.push_back(*pid);
  }
  return found;
}

absl::StatusOr<HostProcess> FindStub(const HostProcess& sandbox, pid_t inner) {
  for (const pid_t pid : ToHostPids(sandbox, {inner})) {
    if (const std::optional<HostProcess> stub = IdentifyChild(sandbox, pid)) return *stub;
  }
  return absl::NotFoundError(Cat("process ", inner, " of the sandbox is gone, or is not one of its stubs"));
}

}  // namespace runsc
