// The gofer process: serves one container's host files to its sentry.
#include "gofer/server/server.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "gofer/server/connection.h"
#include "gofer/server/session.h"

namespace runsc {
namespace {

constexpr size_t kReservedFds = 64;  // connections, attach points, descriptors in flight
constexpr size_t kMaxHandles = 1024 * 1024;

// Every handle is a descriptor: as many as the hard limit lets us have.
size_t HandlesFromLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kReservedFds;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  size_t room = static_cast<size_t>(limit.rlim_cur);
  return std::min(kMaxHandles, room > 2 * kReservedFds ? room - kReservedFds : room / 2);
}

}  // namespace

int RunGoferServer(GoferServerOptions options) {
  size_t limit = options.max_handles != 0 ? options.max_handles : HandlesFromLimit();
  GoferSession session(std::move(options.attach_points), std::move(options.proc_self_fd), limit);
  std::vector<std::thread> threads;
  for (UniqueFd& socket : options.connections) {
    threads.emplace_back(
        [&session, fd = std::move(socket)]() mutable { GoferConnection(session, std::move(fd)).Serve(); });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace runsc
