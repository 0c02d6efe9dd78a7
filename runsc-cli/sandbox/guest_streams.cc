#include "runsc-cli/sandbox/guest_streams.h"

#include <fcntl.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr int kFirstPreserved = 3;

absl::Status CheckPreserved(int count) {
  for (int fd = kFirstPreserved; fd < kFirstPreserved + count; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) return InvalidArgument("--preserve-fds: descriptor ", fd, " is not open");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GuestStreams> GuestStreams::Open(const StreamOptions& options) {
  const bool has_socket = !options.console_socket.empty();
  if (options.terminal && options.detached && !has_socket) {
    return InvalidArgument("cannot allocate tty if runc will detach without setting console socket");
  }
  if (has_socket && !(options.terminal && options.detached)) {
    return InvalidArgument("cannot use console socket if runc will not detach or allocate tty");
  }
  RETURN_IF_ERROR(CheckPreserved(options.preserved));
  GuestStreams streams;
  streams.preserved_ = options.preserved;
  if (has_socket) {
    ASSIGN_OR_RETURN(streams.made_, OpenTerminalFor(options.console_socket, options.size));
  } else if (options.terminal) {
    ASSIGN_OR_RETURN(streams.user_, UserTerminal::Open());
  }
  return streams;
}

std::vector<int> GuestStreams::fds() const {
  std::vector<int> fds = {0, 1, 2};
  if (made_.valid()) fds.assign(3, made_.get());
  if (user_.fd() >= 0) fds.assign(3, user_.fd());
  for (int i = 0; i < preserved_; ++i) fds.push_back(kFirstPreserved + i);
  return fds;
}

}  // namespace runsc
