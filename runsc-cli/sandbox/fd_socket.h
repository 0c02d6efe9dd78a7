// Sockets on which a client waits for a descriptor: runc's --console-socket and --pidfd-socket.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"

namespace runsc {

// `what` it is for, in errors.
absl::StatusOr<UniqueFd> ConnectToFdSocket(std::string_view what, const std::string& path);
absl::Status SendFd(int socket, int fd, std::string_view text);

// Sends a pidfd of `pid`. Nothing for an empty path.
absl::Status SendPidfd(const std::string& path, pid_t pid);

}  // namespace runsc
