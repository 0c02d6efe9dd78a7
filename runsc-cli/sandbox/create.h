// Making a container: its monitor, its gofer, and its sandbox or its place in the one of its pod.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cli/base/flags.h"
#include "runsc-cli/container/store.h"
#include "runsc-cli/sandbox/bundle.h"
#include "runsc-cli/sandbox/guest_streams.h"

namespace runsc {

struct CreateOptions {
  const FlagSet* globals = nullptr;
  std::string id;
  const Bundle* bundle = nullptr;
  std::string pid_file;        // "" for none
  std::string console_socket;  // "" for none
  std::string pidfd_socket;    // gets a pidfd of the monitor; "" for none
  std::vector<FdMapping> inherited_fds;
  UniqueFd program;         // as from TakeProgram
  bool start_now = false;   // run: start init as soon as the container is on record
  bool foreground = false;  // run: the caller stays, and the sandbox goes with it
};

// A container that is there, as its maker knows it.
struct CreatedContainer {
  pid_t monitor = -1;  // a child of this process
  GuestStreams streams;
};

// Makes the container; on failure nothing of it is left.
absl::StatusOr<CreatedContainer> CreateContainer(StateStore& store, const CreateOptions& options);

}  // namespace runsc
