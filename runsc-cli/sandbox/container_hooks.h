// A container's hooks on the host, at their points of its life. startContainer hooks run inside (boot/guest_hooks.h).
#pragma once

#include <string>

#include "absl/status/status.h"
#include "runsc-cli/container/store.h"
#include "runsc-cli/hooks/hooks.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {

bool HasCreateHooks(const Spec& spec);

// prestart, createRuntime and createContainer, when the monitor (`state.monitor`) is there and before any tree of the
// container is opened. `mounts`: entered for the last kind; the trees are to be opened in it.
absl::Status RunCreateHooks(const Spec& spec, const ContainerState& state, HookMounts& mounts);

// poststart. An error from version 1.3 of the specification on; before, failures are warnings.
absl::Status RunPoststartHooks(const StateDirectory& directory, const ContainerState& state);

// poststop hooks, read before the state directory goes and run after it.
class PoststopHooks {
 public:
  PoststopHooks(const StateDirectory& directory, const ContainerState& state);
  void Run() const;

 private:
  std::vector<SpecHook> hooks_;
  HookPlace place_;
};

}  // namespace runsc
