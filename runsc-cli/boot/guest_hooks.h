// startContainer hooks: processes of the container that run before its program.
#pragma once

#include "absl/status/status.h"
#include "runsc-cli/boot/guest_process.h"

namespace runsc {

struct GuestHookPlace {
  Kernel* kernel = nullptr;
  MonitorLinks* links = nullptr;
  OutsidePlace place;
  std::string container, bundle;
  bool keep_net_raw = false;
};

// One after the other, with init's identity and limits, the state on standard input. The first that fails ends it.
absl::Status RunStartContainerHooks(const Spec& spec, const GuestHookPlace& place);

}  // namespace runsc
