// Hooks of config.json that run on the host.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "platform/base/unique_fd.h"
#include "runsc-cli/oci/spec.h"

namespace runsc {

struct HookPlace {
  std::string state_json;  // what they read from standard input
  std::string directory;   // where they run: the bundle
  std::string network;     // createContainer: path of the container's network namespace; "" for the caller's
};

// Runs them one after the other. The first that fails, is killed by a signal or runs out of time ends it: the error
// names the hook and has what it wrote.
absl::Status RunHooks(std::string_view kind, const std::vector<SpecHook>& hooks, const HookPlace& place);

// All of them; failures are warnings.
void RunHooksTolerantly(std::string_view kind, const std::vector<SpecHook>& hooks, const HookPlace& place);

// A mount namespace for createContainer hooks: they may mount below the container's root, and what they mount is
// seen by the container (whose trees are opened while this lasts) but not by the host. The calling process, which
// must have one thread, is in it until the end of scope.
class HookMounts {
 public:
  HookMounts() = default;
  ~HookMounts() { Leave(); }
  HookMounts(const HookMounts&) = delete;
  HookMounts& operator=(const HookMounts&) = delete;
  absl::Status Enter();
  void Leave();

 private:
  UniqueFd host_, cwd_;
};

}  // namespace runsc
