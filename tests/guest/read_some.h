// What comes from a terminal of a test.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <string>

namespace guest {

// What one read gives, once there is something within two seconds.
inline std::string ReadSome(int fd) {
  char buffer[256];
  pollfd poller = {fd, POLLIN, 0};
  if (poll(&poller, 1, 2000) != 1) return "(nothing)";
  const ssize_t n = read(fd, buffer, sizeof(buffer));
  return n < 0 ? "(error)" : std::string(buffer, n);
}

}  // namespace guest
