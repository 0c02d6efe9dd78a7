// Asking and waiting for a set of files.
#include "syscalls/poll_set.h"

namespace runsc {

PollSet::~PollSet() {
  size_t next = 0;
  for (Entry& entry : entries_) {
    if (next == waiters_.size()) break;
    if (entry.queue != nullptr) entry.queue->Remove(waiters_[next++]);
  }
}

void PollSet::Add(int fd, EventMask events) {
  Entry& entry = entries_.emplace_back();
  if (fd < 0) return;
  auto file = task_.fds().GetForIo(fd);
  if (!file.ok()) {
    entry.ready = POLLNVAL;
    has_bad_fd_ = true;
    return;
  }
  entry.file = std::move(*file);
  entry.events = events | EPOLLERR | EPOLLHUP;
}

size_t PollSet::CheckAll() {
  size_t count = 0;
  for (Entry& entry : entries_) {
    if (entry.file) entry.ready = entry.file->Readiness(entry.events) & entry.events;
    if (entry.ready != 0) ++count;
  }
  return count;
}

void PollSet::Register() {
  for (Entry& entry : entries_) {
    if (!entry.file) continue;
    entry.queue = entry.file->wait_queue();
    if (entry.queue != nullptr) entry.queue->Add(waiters_.emplace_back(task_, entry.events));
  }
}

Result<size_t> PollSet::Wait(Deadline deadline) {
  if (const size_t count = CheckAll(); count > 0) return count;
  if (task_.HasPendingSignal()) return kRestartNoHand;
  if (deadline == 0) return size_t{0};
  Register();
  for (;;) {
    if (const size_t count = CheckAll(); count > 0) return count;
    const auto slept = task_.Block(deadline);
    if (slept.ok()) continue;
    if (slept.error() == Errno(ETIMEDOUT)) return CheckAll();
    return kRestartNoHand;
  }
}

}  // namespace runsc
