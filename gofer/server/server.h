// The gofer process: serves one container's host files to its sentry.
#pragma once

#include <vector>

#include "platform/base/unique_fd.h"

namespace runsc {

struct GoferAttachPoint {
  UniqueFd root;               // any descriptor of the directory or file; O_PATH is enough
  bool read_only = true;       // every change is EROFS
  bool allow_tmpfile = false;  // OpenTmp works even if read_only (file-backed overlay)
};

struct GoferServerOptions {
  std::vector<UniqueFd> connections;  // SOCK_SEQPACKET, all of one sentry: they share handles
  std::vector<GoferAttachPoint> attach_points;
  UniqueFd proc_self_fd;   // directory /proc/self/fd: the only way from O_PATH to opened
  size_t max_handles = 0;  // 0: what RLIMIT_NOFILE has room for
};

// Serves until every connection is closed (the sentry is gone), one thread per connection. The umask
// must be 0, so that modes are as asked. Returns the exit status.
int RunGoferServer(GoferServerOptions options);

}  // namespace runsc
