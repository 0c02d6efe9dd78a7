// What a guest thread writes to a pipe by itself (platform/write_queue.h): its queue mirrors the ring's slots from the
// tail on, and is copied there by whoever wants to see it.
#include <algorithm>
#include <utility>

#include "sentry/fs/pipe.h"

namespace runsc {

static_assert(WriteQueue::kPage == Pipe::kSlot);

// What the guest says, but never beyond what it was given and never back.
uint32_t Pipe::Behind::position() const { return std::clamp(queue->position(), taken, limit); }

// The flag is set before waiters are looked for, and who comes to wait is one before he looks at the flag: one of the
// two sees the other.
bool Pipe::BeginWriteBehind(WriteQueue& queue, int fd) {
  std::lock_guard w(write_mu_);
  if (!ring_ || has_behind_.load()) return false;
  StartAfresh();
  const uint64_t tail = tail_.load(), start = tail % kSlot;
  const size_t free = std::min(slots(), slots() - UsedSlots(head_.load(), tail) + (start != 0));
  const size_t limit = std::min<size_t>(free * kSlot, WriteQueue::kSize);
  if (limit <= start) return false;
  MutexLock l(behind_mu_);
  has_behind_.store(true, std::memory_order_seq_cst);
  if (behind_forbidden_ || !queue_.empty() || readers_.load() == 0) {
    has_behind_.store(false);
    return false;
  }
  behind_ = {&queue, tail - start, static_cast<uint32_t>(start), static_cast<uint32_t>(limit)};
  queue.Open(fd, static_cast<uint32_t>(start), static_cast<uint32_t>(limit));
  return true;
}

uint64_t Pipe::EndWriteBehind() {
  std::lock_guard w(write_mu_);
  GatherLocked(Then::kStops);
  MutexLock l(behind_mu_);
  has_behind_.store(false);
  return std::exchange(behind_, {}).bytes;
}

void Pipe::ForbidWriteBehind() {
  {
    MutexLock l(behind_mu_);
    behind_forbidden_ = true;
  }
  StopWriteBehind();
}

void Pipe::StopWriteBehind() {
  if (!has_behind_.load()) return;
  MutexLock l(behind_mu_);
  if (behind_.queue != nullptr) behind_.queue->Close();
}

// Brings what was written into the ring.
void Pipe::Gather(Then then) {
  if (!has_behind_.load()) return;
  std::lock_guard w(write_mu_);
  GatherLocked(then);
}

void Pipe::GatherLocked(Then then) {
  if (!has_behind_.load()) return;
  MutexLock l(behind_mu_);
  if (behind_.queue == nullptr) return;
  if (then == Then::kStops) behind_.queue->Close();
  TakeBehindLocked();
}

// A slot that was left without a byte in it, or that ends where it cannot, is a guest's lie: the rest is dropped, as
// what such a slot holds was never written.
void Pipe::TakeBehindLocked() {
  Behind& b = behind_;
  for (const uint32_t end = b.position(); b.taken < end;) {
    const uint32_t slot = b.taken / kSlot, from = b.taken % kSlot;
    const bool last = slot == end / kSlot;
    const uint32_t to = last ? end % kSlot : b.queue->PageEnd(slot);
    if (to > kSlot || to < std::max(from, 1u)) {
      b.queue->Close();
      b.limit = b.taken;
      break;
    }
    if (to > from) {
      std::copy_n(b.queue->bytes() + b.taken, to - from, At(b.base + b.taken));
      Publish(b.base + b.taken, to - from, false);
    }
    b.bytes += to - from;
    b.taken = last ? end : (slot + 1) * kSlot;
  }
}

// Whether bytes are there that the ring does not have. Stops it for who finds nothing at all, and for all who wait.
bool Pipe::LookBehind() {
  if (!has_behind_.load()) return false;
  MutexLock l(behind_mu_);
  if (behind_.queue == nullptr) return false;
  const bool something = has_content() || behind_.taken < behind_.position();
  if (!something || !queue_.empty()) behind_.queue->Close();
  return behind_.taken < behind_.position();
}

uint64_t Pipe::TailBehind() {
  if (has_behind_.load()) {
    MutexLock l(behind_mu_);
    if (behind_.queue != nullptr) return behind_.tail();
  }
  return tail_.load(std::memory_order_seq_cst);
}

}  // namespace runsc
