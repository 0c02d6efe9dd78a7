#include "runsc-cli/sandbox/pod.h"

#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

std::string Annotation(const Spec& spec, const std::string& name) {
  const auto it = spec.annotations.find(name);
  return it == spec.annotations.end() ? std::string() : it->second;
}

bool IsShared(const Spec& spec, std::string_view type) {
  for (const SpecNamespace& ns : spec.linux_.namespaces) {
    if (ns.type == type) return !ns.path.empty();
  }
  return true;
}

std::string PathOf(const Spec& spec, std::string_view type) {
  for (const SpecNamespace& ns : spec.linux_.namespaces) {
    if (ns.type == type) return ns.path;
  }
  return {};
}

// /proc/N/ns/pid names the container whose monitor is process N. Another path can only mean the pod's.
std::string OwnerOfPidNamespace(StateStore& store, std::string_view path, const std::string& sandbox_id) {
  if (!ConsumePrefix(path, "/proc/") || !ConsumeSuffix(path, "/ns/pid")) return sandbox_id;
  const std::optional<pid_t> pid = ParseNumber<pid_t>(path);
  if (!pid) return sandbox_id;
  for (const std::string& id : store.Ids()) {
    const absl::StatusOr<ContainerState> state = store.Read(id);
    if (state.ok() && state->monitor.pid == *pid && state->sandbox_id == sandbox_id) return id;
  }
  return sandbox_id;
}

}  // namespace

std::string SandboxToJoin(const Spec& spec) {
  if (Annotation(spec, "io.kubernetes.cri.container-type") == "container") {
    return Annotation(spec, "io.kubernetes.cri.sandbox-id");
  }
  if (Annotation(spec, "io.kubernetes.cri-o.ContainerType") == "container") {
    return Annotation(spec, "io.kubernetes.cri-o.SandboxID");
  }
  return {};
}

bool IsPodSandbox(const Spec& spec) {
  return Annotation(spec, "io.kubernetes.cri.container-type") == "sandbox" ||
         Annotation(spec, "io.kubernetes.cri-o.ContainerType") == "sandbox";
}

SharedNamespaces NamespacesToShare(StateStore& store, const Spec& spec, const std::string& sandbox_id) {
  SharedNamespaces shared;
  shared.uts = IsShared(spec, "uts");
  shared.ipc = IsShared(spec, "ipc");
  shared.net = IsShared(spec, "network");
  if (IsShared(spec, "pid")) shared.pid_of = OwnerOfPidNamespace(store, PathOf(spec, "pid"), sandbox_id);
  return shared;
}

}  // namespace runsc
