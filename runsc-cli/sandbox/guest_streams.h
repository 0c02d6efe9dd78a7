// The host descriptors that become a guest process' own.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cli/sandbox/terminal.h"

namespace runsc {

struct StreamOptions {
  bool terminal = false;
  bool detached = false;       // nobody of ours stays to serve a terminal
  std::string console_socket;  // "" for none
  ConsoleSize size;
  int preserved = 0;           // so many of the command's own from 3 on
};

class GuestStreams {
 public:
  // As runc: a detached terminal needs a console socket, and nothing else may have one.
  static absl::StatusOr<GuestStreams> Open(const StreamOptions& options);
  // Standard input, output and error, then those preserved.
  std::vector<int> fds() const;
  // What the monitor takes as its controlling terminal; -1: nothing.
  int controlling() const { return made_.get(); }
  void RestoreTerminal() { user_.Restore(); }

 private:
  UniqueFd made_;      // for the console socket
  UserTerminal user_;
  int preserved_ = 0;
};

}  // namespace runsc
