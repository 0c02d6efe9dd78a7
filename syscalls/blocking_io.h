// Reads and writes that wait: File never blocks, these do, by the rules of O_NONBLOCK and signals.
#pragma once

#include "sentry/kernel/task.h"
#include "sentry/vfs/file.h"

namespace runsc {

inline constexpr EventMask kReadEvents = EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
inline constexpr EventMask kWriteEvents = EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP;

// Runs `attempt` until it gives something else than EAGAIN; gives EAGAIN back if the file may not block.
template <typename Attempt>
auto BlockingIo(Task& task, File& file, EventMask events, Deadline deadline, Attempt attempt)
    -> decltype(attempt()) {
  auto result = attempt();
  if (result.ok() || !(result.error() == Errno(EAGAIN)) || file.nonblocking()) return result;
  WaitQueue* queue = file.wait_queue();
  if (queue == nullptr) return result;
  return BlockUntil(task, *queue, events, deadline, attempt);
}

// Waits for the first bytes only: a short read is a read.
inline Result<size_t> ReadBlocking(Task& task, File& file, IoSink& dst, const int64_t* offset) {
  return BlockingIo(task, file, kReadEvents, kNever, [&] { return file.Read(task, dst, offset); });
}

// Writes everything unless the file is non-blocking; what was written beats a later error.
inline Result<size_t> WriteBlocking(Task& task, File& file, IoSource& src, const int64_t* offset) {
  size_t done = 0;
  for (;;) {
    auto n = BlockingIo(task, file, kWriteEvents, kNever, [&] { return file.Write(task, src, offset); });
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    done += *n;
    if (*n == 0 || src.remaining() == 0 || file.nonblocking() || file.wait_queue() == nullptr) return done;
  }
}

}  // namespace runsc
