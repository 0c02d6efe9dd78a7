// Another process in a running container.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cli/container/store.h"
#include "runsc-cli/oci/spec.h"
#include "runsc-cli/sandbox/guest_streams.h"

namespace runsc {

struct ExecOptions {
  std::string id;
  std::string json;     // the process, as in config.json; checked
  SpecProcess process;  // the same, read
  bool detached = false;
  bool ignore_paused = false;
  std::string pid_file;           // gets the monitor's pid; "" for none
  std::string internal_pid_file;  // gets the pid in the container; "" for none
  std::string console_socket;     // "" for none
  std::string pidfd_socket;       // gets a pidfd of the monitor; "" for none
  std::vector<FdMapping> inherited_fds;
  UniqueFd program;  // as from TakeProgram
};

struct ExecutedProcess {
  pid_t monitor = -1;  // a child of this process
  GuestStreams streams;
};

absl::StatusOr<ExecutedProcess> ExecInContainer(StateStore& store, const ExecOptions& options);

}  // namespace runsc
