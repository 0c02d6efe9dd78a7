// Many files waited for at once: what poll and select have in common.
#pragma once

#include <deque>

#include "sentry/kernel/task.h"
#include "sentry/vfs/file.h"

namespace runsc {

class PollSet {
 public:
  explicit PollSet(Task& task) : task_(task) {}
  ~PollSet();
  PollSet(const PollSet&) = delete;

  // A negative fd is never ready, one that is not open always (POLLNVAL).
  void Add(int fd, EventMask events);
  bool has_bad_fd() const { return has_bad_fd_; }
  // How many are ready; 0 when the deadline passed first (0: do not wait). kRestartNoHand on a signal.
  Result<size_t> Wait(Deadline deadline);
  EventMask ready(size_t index) const { return entries_[index].ready; }

 private:
  struct Entry {
    RefPtr<File> file;  // null: nothing to ask
    EventMask events = 0;
    EventMask ready = 0;
    WaitQueue* queue = nullptr;
  };
  size_t CheckAll();
  void Register();

  Task& task_;
  std::vector<Entry> entries_;
  std::deque<TaskWaiter> waiters_;  // one per entry with a queue, in order, once registered
  bool has_bad_fd_ = false;
};

}  // namespace runsc
