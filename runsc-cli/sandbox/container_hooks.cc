#include "runsc-cli/sandbox/container_hooks.h"

#include <cstdio>

#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

HookPlace PlaceOf(const ContainerState& state, ContainerStatus status) {
  return {OciStateJson(state, status), state.bundle, ""};
}

// That of the container's namespaces which the host has.
std::string NetworkOf(const Spec& spec, const ContainerState& state) {
  for (const SpecNamespace& ns : spec.linux_.namespaces) {
    if (ns.type == "network") return ns.path.empty() ? Cat("/proc/", state.monitor.pid, "/ns/net") : ns.path;
  }
  return {};
}

// Of the kept config.json; none if there is none.
SpecHooks KeptHooks(const StateDirectory& directory) {
  const absl::StatusOr<std::string> json = directory.ReadConfig();
  if (!json.ok()) return {};
  const absl::StatusOr<Spec> spec = ParseSpec(*json);
  if (!spec.ok()) Log::ReportWarning(Cat("hooks: ", directory.path(), ": ", MessageOf(spec.status())));
  return spec.ok() ? spec->hooks : SpecHooks();
}

// 1.3 made a failing poststart hook an error.
bool PoststartMustSucceed(const std::string& oci_version) {
  int major = 0, minor = 0;
  if (sscanf(oci_version.c_str(), "%d.%d", &major, &minor) != 2) return false;
  return major > 1 || (major == 1 && minor >= 3);
}

}  // namespace

bool HasCreateHooks(const Spec& spec) {
  return !spec.hooks.prestart.empty() || !spec.hooks.create_runtime.empty() || !spec.hooks.create_container.empty();
}

absl::Status RunCreateHooks(const Spec& spec, const ContainerState& state, HookMounts& mounts) {
  HookPlace place = PlaceOf(state, ContainerStatus::kCreating);
  RETURN_IF_ERROR(RunHooks("prestart", spec.hooks.prestart, place));
  RETURN_IF_ERROR(RunHooks("createRuntime", spec.hooks.create_runtime, place));
  if (spec.hooks.create_container.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(mounts.Enter());
  place.network = NetworkOf(spec, state);
  return RunHooks("createContainer", spec.hooks.create_container, place);
}

absl::Status RunPoststartHooks(const StateDirectory& directory, const ContainerState& state) {
  const SpecHooks hooks = KeptHooks(directory);
  const HookPlace place = PlaceOf(state, ContainerStatus::kRunning);
  if (PoststartMustSucceed(state.oci_version)) return RunHooks("poststart", hooks.poststart, place);
  RunHooksTolerantly("poststart", hooks.poststart, place);
  return absl::OkStatus();
}

PoststopHooks::PoststopHooks(const StateDirectory& directory, const ContainerState& state)
    : hooks_(KeptHooks(directory).poststop), place_(PlaceOf(state, ContainerStatus::kStopped)) {}

void PoststopHooks::Run() const { RunHooksTolerantly("poststop", hooks_, place_); }

}  // namespace runsc
