// Wakes that wait until a lock is given back: who is woken on this CPU would run at once, want the lock, and sleep
// again.
#pragma once

#include "sentry/kernel/task.h"

namespace runsc {

// Made before the lock is taken; wakes at its end those that this thread has woken meanwhile.
class LateWakes {
 public:
  LateWakes();
  ~LateWakes();
  LateWakes(const LateWakes&) = delete;
  // For Task::Wake: true if `task`, whose wake word is set, will be woken later.
  static bool Add(Task& task);

 private:
  static constexpr int kRoom = 4;

  LateWakes* const outer_;
  RefPtr<Task> tasks_[kRoom];
  int count_ = 0;
};

}  // namespace runsc
