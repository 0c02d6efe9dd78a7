// The host descriptors that become a guest process' own.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "platform/host/child_process_unsafe.h"
#include "runsc-cli/sandbox/terminal.h"

namespace runsc {

struct StreamOptions {
  bool terminal = false;
  bool detached = false;       // nobody of ours stays to serve a terminal
  std::string console_socket;  // "" for none
  ConsoleSize size;
  std::vector<FdMapping> inherited;  // besides: the command's own, and their numbers in the guest
};

// --preserve-fds: so many from 3 on. --pass-fd: "M:N", the command's M as N. Each must be open, and no number be given
// twice.
absl::StatusOr<std::vector<FdMapping>> InheritedFds(int64_t preserved, const std::vector<std::string>& passed);

// --exec-fd: a copy of the program behind descriptor `fd` is added to `list`, which does not own it. Nothing if `fd` is
// negative.
absl::StatusOr<UniqueFd> TakeProgram(int64_t fd, std::vector<FdMapping>& list);

class GuestStreams {
 public:
  // As runc: a detached terminal needs a console socket, and nothing else may have one.
  static absl::StatusOr<GuestStreams> Open(const StreamOptions& options);
  // Standard input, output and error, then those inherited.
  std::vector<int> fds() const;
  std::vector<int32_t> inherited_numbers() const;  // in the guest
  // What the monitor takes as its controlling terminal; -1: nothing.
  int controlling() const { return made_.get(); }
  void RestoreTerminal() { user_.Restore(); }

 private:
  UniqueFd made_;  // for the console socket
  UserTerminal user_;
  std::vector<FdMapping> inherited_;
};

}  // namespace runsc
