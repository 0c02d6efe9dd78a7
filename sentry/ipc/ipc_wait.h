// Sleeping on a System V object or a POSIX message queue.
#pragma once

#include "sentry/kernel/task.h"

namespace runsc {

// Calls `attempt` (Result<bool>: done, or must wait) until it is done or fails, sleeping on `queue` for `events`
// in between.
template <typename Attempt>
Result<void> WaitUntilDone(Task& task, WaitQueue& queue, EventMask events, Deadline deadline, Attempt attempt) {
  TaskWaiter waiter(task, events);
  queue.Add(waiter);
  Result<void> outcome;
  for (;;) {
    const Result<bool> done = attempt();
    if (!done.ok()) outcome = done.error();
    if (!done.ok() || *done) break;
    outcome = task.Block(deadline);
    if (!outcome.ok()) break;
  }
  queue.Remove(waiter);
  return outcome;
}

}  // namespace runsc
