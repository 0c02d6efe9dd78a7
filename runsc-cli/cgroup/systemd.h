// Cgroups that systemd makes: transient scopes and slices, asked for over D-Bus.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cli/cgroup/hierarchy.h"
#include "runsc-cli/cgroup/settings.h"

namespace runsc {

// The cgroup that the manager's slices are below; "" is the root. Who is not root asks his own manager.
absl::StatusOr<std::string> SystemdRoot();

// A process that does nothing. A scope has to have a process from its start, and ends with its last.
class IdleProcess {
 public:
  static absl::StatusOr<IdleProcess> Start();
  IdleProcess(IdleProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  IdleProcess& operator=(IdleProcess&&) = delete;
  ~IdleProcess();
  pid_t pid() const { return pid_; }

 private:
  explicit IdleProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

// Starts the unit with its limits and waits for it; the cgroup is there then. `pid`: moved there.
absl::Status StartSystemdUnit(const SystemdCgroup& unit, const std::string& id, pid_t pid,
                              const CgroupSettings& limits);
// Tells systemd of new limits, which it would undo with its next look at the unit.
absl::Status UpdateSystemdUnit(const std::string& unit, const CgroupSettings& limits);
// A slice stays until it is stopped. A scope ends with its last process, if systemd hears of that before the cgroup is
// removed.
absl::Status StopSystemdUnit(const std::string& unit);

// What systemd calls the limits it has names for: a number, or for sets of CPUs and nodes a mask of bytes.
struct SystemdProperty {
  std::string name;
  uint64_t number = 0;
  std::vector<uint8_t> mask;
  bool operator==(const SystemdProperty&) const = default;
};
std::vector<SystemdProperty> SystemdProperties(const CgroupSettings& limits);

}  // namespace runsc
