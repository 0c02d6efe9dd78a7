// The container state file and the documents made from it.
#include "runsc-cli/container/state.h"

#include <fcntl.h>

#include "nlohmann/json.hpp"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

using Json = nlohmann::ordered_json;

Json ProcessToJson(const HostProcess& process) {
  Json out;
  out["pid"] = process.pid;
  out["startTicks"] = process.start_ticks;
  return out;
}

// Getters that give a default instead of aborting when a file was damaged.
std::string GetString(const Json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_string()) return {};
  return *it->get_ptr<const std::string*>();
}

uint64_t GetNumber(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_number_unsigned() ? it->get<uint64_t>() : 0;
}

HostProcess GetProcess(const Json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_object()) return {};
  const uint64_t pid = GetNumber(*it, "pid");
  if (pid > INT32_MAX) return {};
  return {static_cast<pid_t>(pid), GetNumber(*it, "startTicks")};
}

std::map<std::string, std::string> GetStringMap(const Json& object, const char* name) {
  std::map<std::string, std::string> out;
  const auto it = object.find(name);
  if (it == object.end() || !it->is_object()) return out;
  for (auto entry = it->begin(); entry != it->end(); ++entry) out[entry.key()] = GetString(*it, entry.key().c_str());
  return out;
}

Json OciFields(const ContainerState& state, ContainerStatus status) {
  Json out;
  out["ociVersion"] = state.oci_version;
  out["id"] = state.id;
  out["pid"] = status == ContainerStatus::kStopped ? 0 : state.monitor.pid;
  out["status"] = std::string(StatusName(status));
  out["bundle"] = state.bundle;
  out["rootfs"] = state.rootfs;
  out["created"] = state.created;
  if (!state.annotations.empty()) out["annotations"] = state.annotations;
  out["owner"] = OwnerName(state.owner_uid);
  return out;
}

std::string Dump(const Json& json, int indent) { return json.dump(indent, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string StateToJson(const ContainerState& state) {
  Json out;
  out["version"] = 1;
  out["id"] = state.id;
  out["bundle"] = state.bundle;
  out["rootfs"] = state.rootfs;
  out["ociVersion"] = state.oci_version;
  out["status"] = std::string(StatusName(state.status));
  out["creator"] = ProcessToJson(state.creator);
  out["monitor"] = ProcessToJson(state.monitor);
  out["sandbox"] = ProcessToJson(state.sandbox);
  out["gofer"] = ProcessToJson(state.gofer);
  out["cgroups"] = state.cgroups;
  if (!state.systemd_unit.empty()) out["systemdUnit"] = state.systemd_unit;
  out["sandboxId"] = state.sandbox_id;
  out["ownerUid"] = state.owner_uid;
  out["created"] = state.created;
  out["annotations"] = state.annotations;
  return Dump(out, 1);
}

absl::StatusOr<ContainerState> StateFromJson(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) return absl::DataLossError("state file is damaged");
  const std::optional<ContainerStatus> status = StatusFromName(GetString(json, "status"));
  if (!status) return absl::DataLossError("state file is damaged: no valid status");
  ContainerState state;
  state.id = GetString(json, "id");
  state.bundle = GetString(json, "bundle");
  state.rootfs = GetString(json, "rootfs");
  state.oci_version = GetString(json, "ociVersion");
  state.status = *status;
  state.creator = GetProcess(json, "creator");
  state.monitor = GetProcess(json, "monitor");
  state.sandbox = GetProcess(json, "sandbox");
  state.gofer = GetProcess(json, "gofer");
  state.sandbox_id = GetString(json, "sandboxId");
  state.owner_uid = static_cast<uint32_t>(GetNumber(json, "ownerUid"));
  state.created = GetString(json, "created");
  state.cgroups = GetStringMap(json, "cgroups");
  state.systemd_unit = GetString(json, "systemdUnit");
  state.annotations = GetStringMap(json, "annotations");
  return state;
}

ContainerStatus CurrentStatus(const ContainerState& state) {
  if (state.status == ContainerStatus::kCreating) {
    return IsAlive(state.creator) ? ContainerStatus::kCreating : ContainerStatus::kStopped;
  }
  return IsAlive(state.monitor) ? state.status : ContainerStatus::kStopped;
}

std::string OciStateJson(const ContainerState& state, ContainerStatus status) {
  return Dump(OciFields(state, status), 2);
}

std::string ListEntryJson(const ContainerState& state, ContainerStatus status) {
  return Dump(OciFields(state, status), -1);
}

// Reads /etc/passwd itself: getpwuid of a static binary would load shared libraries.
std::string OwnerName(uint32_t uid) {
  absl::StatusOr<std::string> passwd = ReadFileAt(AT_FDCWD, "/etc/passwd", 1 << 20);
  if (passwd.ok()) {
    for (std::string_view line : Split(*passwd, '\n')) {
      const auto fields = Split(line, ':');
      if (fields.size() > 2 && ParseNumber<uint32_t>(fields[2]) == uid) return std::string(fields[0]);
    }
  }
  return Cat("#", uid);
}

}  // namespace runsc
