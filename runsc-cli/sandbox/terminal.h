// Terminals on the host: made for a client, or the one the user sits at.
#pragma once

#include <termios.h>

#include <string>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"

namespace runsc {

struct ConsoleSize {
  unsigned height = 0, width = 0;  // 0: unknown
};

// A new terminal whose far end goes to who listens at `console_socket`, as runc does it. Returns the near end, raw.
absl::StatusOr<UniqueFd> OpenTerminalFor(const std::string& console_socket, ConsoleSize size);

// The terminal of the user, raw while this lives.
class UserTerminal {
 public:
  // The first of standard input, output and error that is one.
  static absl::StatusOr<UserTerminal> Open();
  UserTerminal() = default;
  UserTerminal(UserTerminal&& other) noexcept { *this = std::move(other); }
  UserTerminal& operator=(UserTerminal&& other) noexcept;
  ~UserTerminal() { Restore(); }
  int fd() const { return fd_; }  // not owned; -1: none
  void Restore();

 private:
  int fd_ = -1;
  termios saved_ = {};
};

}  // namespace runsc
