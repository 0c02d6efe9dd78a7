// Reads and writes that wait: File never blocks, these do, by the rules of O_NONBLOCK and signals.
#pragma once

#include "sentry/kernel/task.h"
#include "sentry/net/socket.h"
#include "sentry/vfs/file.h"

namespace runsc {

inline constexpr EventMask kReadEvents = EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
inline constexpr EventMask kWriteEvents = EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP;

// Runs `attempt` until it gives something else than EAGAIN; gives EAGAIN back if the file may not block.
template <typename Attempt>
auto BlockingIo(Task& task, File& file, EventMask events, Deadline deadline, Attempt attempt) -> decltype(attempt()) {
  auto result = attempt();
  if (result.ok() || !(result.error() == Errno(EAGAIN)) || file.nonblocking()) return result;
  WaitQueue* queue = file.wait_queue();
  if (queue == nullptr) return result;
  return BlockUntil(task, *queue, events, deadline, attempt);
}

// As BlockingIo, with SO_RCVTIMEO or SO_SNDTIMEO where the file is a socket: when it passes, EAGAIN; with
// one, a signal is not restarted over (socket(7), signal(7)).
template <typename Attempt>
auto TimedIo(Task& task, File& file, bool writing, Attempt attempt) -> decltype(attempt()) {
  const EventMask events = writing ? kWriteEvents : kReadEvents;
  Socket* socket = file.socket();
  int64_t timeout = 0;
  if (socket != nullptr) timeout = writing ? socket->send_timeout_ns() : socket->receive_timeout_ns();
  if (timeout == 0) return BlockingIo(task, file, events, kNever, attempt);
  auto result = BlockingIo(task, file, events, DeadlineAfter(Kernel::MonotonicNs(), timeout), attempt);
  if (result.ok()) return result;
  if (result.error() == Errno(ETIMEDOUT)) return Errno(EAGAIN);
  return result.error() == kRestartSys ? Errno(EINTR) : result;
}

// Waits for the first bytes only: a short read is a read.
inline Result<size_t> ReadBlocking(Task& task, File& file, IoSink& dst, const int64_t* offset) {
  return TimedIo(task, file, false, [&] { return file.Read(task, dst, offset); });
}

// Writes everything unless the file is non-blocking; what was written beats a later error.
inline Result<size_t> WriteBlocking(Task& task, File& file, IoSource& src, const int64_t* offset) {
  size_t done = 0;
  for (;;) {
    auto n = TimedIo(task, file, true, [&] { return file.Write(task, src, offset); });
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    done += *n;
    if (*n == 0 || src.remaining() == 0 || file.nonblocking() || file.wait_queue() == nullptr) return done;
  }
}

}  // namespace runsc
