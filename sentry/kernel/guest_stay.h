// What a task lets the engine do by itself while its guest code runs.
#pragma once

namespace runsc {

class Task;

// Of the task's own thread.
class GuestStay {
 public:
  virtual ~GuestStay() = default;
  virtual bool Begin(Task& task) = 0;  // guest code is about to run; false: not any more, there will be no End
  virtual void End(Task& task) = 0;    // an event came, and was not looked at yet
};

}  // namespace runsc
