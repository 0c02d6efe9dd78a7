// Pods: several containers in one sandbox, by the annotations of containerd's CRI plugin and of CRI-O.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cli/container/store.h"
#include "runsc-cli/control/protocol.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {

// The container whose sandbox the one with this config.json joins; empty: it has a sandbox of its own (and may be the
// first one of a pod).
std::string SandboxToJoin(const Spec& spec);

// Whether it is a pod's first container, whose sandbox the others join.
bool IsPodSandbox(const Spec& spec);

// Which of the sandbox's namespaces it shares: those that its config.json names by path, or does not name at all.
SharedNamespaces NamespacesToShare(StateStore& store, const Spec& spec, const std::string& sandbox_id);

}  // namespace runsc
