// The runtime spec's rules about `linux`.
#include <algorithm>
#include <set>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/check_text.h"
#include "runsc-cli/oci/validate.h"

namespace runsc {
namespace {

// The host's limits for the lines of a uid_map, and for device numbers.
constexpr size_t kMaxIdMappings = 340;
constexpr int64_t kMaxMajor = (1 << 12) - 1, kMaxMinor = (1 << 20) - 1;

absl::Status CheckNamespaces(const SpecLinux& linux_) {
  std::set<std::string> seen;
  for (size_t i = 0; i < linux_.namespaces.size(); ++i) {
    const SpecNamespace& ns = linux_.namespaces[i];
    const std::string path = Cat("linux.namespaces[", i, "]");
    if (ns.type.empty()) return InvalidArgument(path, ".type: must not be empty");
    if (!seen.insert(ns.type).second) {
      return InvalidArgument(path, ": second entry of type \"", ns.type, "\"");
    }
    if (!ns.path.empty()) RETURN_IF_ERROR(CheckAbsolute(path + ".path", ns.path));
  }
  return absl::OkStatus();
}

absl::Status CheckDeviceNumber(const std::string& field, int64_t number, int64_t max) {
  if (number >= 0 && number <= max) return absl::OkStatus();
  return InvalidArgument(field, ": must be between 0 and ", max, ", is ", number);
}

absl::Status CheckDevice(const std::string& path, const SpecDevice& device) {
  RETURN_IF_ERROR(CheckAbsolute(path + ".path", device.path));
  if (device.type.empty()) return InvalidArgument(path, ".type: must be given");
  if (device.type == "p") return absl::OkStatus();  // has no number
  RETURN_IF_ERROR(CheckDeviceNumber(path + ".major", device.major, kMaxMajor));
  return CheckDeviceNumber(path + ".minor", device.minor, kMaxMinor);
}

absl::Status CheckDevices(const SpecLinux& linux_) {
  for (size_t i = 0; i < linux_.devices.size(); ++i) {
    RETURN_IF_ERROR(CheckDevice(Cat("linux.devices[", i, "]"), linux_.devices[i]));
  }
  return absl::OkStatus();
}

bool Overlap(uint64_t a, uint64_t b, uint64_t a_size, uint64_t b_size) { return a < b + b_size && b < a + a_size; }

bool Overlap(const SpecIdMapping& a, const SpecIdMapping& b) {
  return Overlap(a.container_id, b.container_id, a.size, b.size) || Overlap(a.host_id, b.host_id, a.size, b.size);
}

absl::Status CheckIdMapping(std::string_view field, const std::vector<SpecIdMapping>& mappings, size_t i) {
  const SpecIdMapping& m = mappings[i];
  const uint64_t end = uint64_t{std::max(m.container_id, m.host_id)} + m.size;
  if (m.size == 0 || end > UINT32_MAX) {
    return InvalidArgument(field, "[", i, "]: the range must hold at least one id and end below 2^32");
  }
  for (size_t other = 0; other < i; ++other) {
    if (Overlap(m, mappings[other])) return InvalidArgument(field, "[", i, "]: overlaps ", field, "[", other, "]");
  }
  return absl::OkStatus();
}

// The gofer is the container's root.
absl::Status CheckIdMappings(std::string_view field, const std::vector<SpecIdMapping>& mappings) {
  if (mappings.empty()) return absl::OkStatus();
  if (mappings.size() > kMaxIdMappings) return InvalidArgument(field, ": more than ", kMaxIdMappings, " ranges");
  for (size_t i = 0; i < mappings.size(); ++i) RETURN_IF_ERROR(CheckIdMapping(field, mappings, i));
  const auto has_root = [](const SpecIdMapping& m) { return m.container_id == 0; };
  if (std::any_of(mappings.begin(), mappings.end(), has_root)) return absl::OkStatus();
  return InvalidArgument(field, ": must map the container's id 0");
}

absl::Status CheckPaths(std::string_view field, const std::vector<std::string>& paths) {
  for (size_t i = 0; i < paths.size(); ++i) RETURN_IF_ERROR(CheckAbsolute(Cat(field, "[", i, "]"), paths[i]));
  return absl::OkStatus();
}

// The names become a path below /proc/sys.
absl::Status CheckSysctls(const SpecLinux& linux_) {
  for (const auto& [name, value] : linux_.sysctl) {
    RETURN_IF_ERROR(CheckNoNul(Cat("linux.sysctl.", name), name));
    const bool odd = name.empty() || name.find("..") != name.npos || name.front() == '.' || name.front() == '/';
    if (odd) return InvalidArgument("linux.sysctl: \"", name, "\" is no name of a setting");
    RETURN_IF_ERROR(CheckNoNul(Cat("linux.sysctl.", name), value));
  }
  return absl::OkStatus();
}

// What goes into the files of a cgroup; numbers have been checked by type.
absl::Status CheckCgroupTexts(const SpecLinux& linux_) {
  RETURN_IF_ERROR(CheckOneLine("linux.cgroupsPath", linux_.cgroups_path));
  RETURN_IF_ERROR(CheckPathText("linux.cgroupsPath", linux_.cgroups_path));
  RETURN_IF_ERROR(CheckOneLine("linux.resources.cpu.cpus", linux_.resources.cpu.cpus));
  RETURN_IF_ERROR(CheckOneLine("linux.resources.cpu.mems", linux_.resources.cpu.mems));
  for (const auto& [device, limit] : linux_.resources.rdma) {
    RETURN_IF_ERROR(CheckOneLine("linux.resources.rdma: a device's name", device));
  }
  for (const auto& [interface, priority] : linux_.resources.network.priorities) {
    RETURN_IF_ERROR(CheckOneLine("linux.resources.network.priorities: an interface's name", interface));
  }
  for (const auto& [file, text] : linux_.resources.unified) {
    RETURN_IF_ERROR(CheckNoNul("linux.resources.unified: a file's name", file));
    RETURN_IF_ERROR(CheckNoNul(Cat("linux.resources.unified.", file), text));
  }
  return absl::OkStatus();
}

absl::Status CheckWhatTheGuestGets(const SpecLinux& linux_) {
  RETURN_IF_ERROR(CheckPaths("linux.maskedPaths", linux_.masked_paths));
  RETURN_IF_ERROR(CheckPaths("linux.readonlyPaths", linux_.readonly_paths));
  RETURN_IF_ERROR(CheckSysctls(linux_));
  if (linux_.seccomp) RETURN_IF_ERROR(ValidateSeccomp(*linux_.seccomp));
  if (linux_.personality && !linux_.personality->flags.empty()) {
    return absl::UnimplementedError("linux.personality.flags: not supported");
  }
  if (linux_.has_time_offsets) {
    return absl::UnimplementedError("linux.timeOffsets: a sandbox has the host's clocks");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateLinux(const SpecLinux& linux_) {
  RETURN_IF_ERROR(CheckNamespaces(linux_));
  RETURN_IF_ERROR(CheckDevices(linux_));
  RETURN_IF_ERROR(CheckIdMappings("linux.uidMappings", linux_.uid_mappings));
  RETURN_IF_ERROR(CheckIdMappings("linux.gidMappings", linux_.gid_mappings));
  RETURN_IF_ERROR(CheckCgroupTexts(linux_));
  return CheckWhatTheGuestGets(linux_);
}

}  // namespace runsc
