// The ring of a loopback stream.
#include "sentry/net/byte_queue.h"

#include <algorithm>
#include <bit>

namespace runsc {

size_t ByteQueue::available() const {
  const uint64_t head = head_.load(std::memory_order_seq_cst);
  const uint64_t tail = tail_.load(std::memory_order_seq_cst);
  return tail > head ? tail - head : 0;
}

size_t ByteQueue::used() const {
  const uint64_t head = head_.load(std::memory_order_seq_cst);
  const uint64_t end = end_.load(std::memory_order_seq_cst);
  return end > head ? end - head : 0;
}

size_t ByteQueue::held() const {
  const uint64_t tail = tail_.load(std::memory_order_seq_cst);
  const uint64_t end = end_.load(std::memory_order_seq_cst);
  return end > tail ? end - tail : 0;
}

size_t ByteQueue::available_to(bool urgent_inline) const {
  const uint64_t head = head_.load(std::memory_order_seq_cst), at = urgent_at_.load();
  const size_t all = available();
  const bool ahead = !urgent_inline && urgent_state_.load() != kNone && at >= head;
  return ahead ? std::min<size_t>(all, at - head) : all;
}

void ByteQueue::set_limit(size_t limit) {
  limit_.store(std::clamp<size_t>(limit, 2048, kMaxSize), std::memory_order_relaxed);
}

// Makes the ring large enough for `wanted` more bytes, within the limit. Called with write_mu_.
void ByteQueue::GrowFor(size_t wanted) {
  const size_t size = std::bit_ceil(std::clamp(used() + wanted, kFirstSize, std::max(limit(), kFirstSize)));
  if (size <= size_) return;
  std::unique_ptr<std::byte[]> ring(new std::byte[size]);
  std::lock_guard l(read_mu_);
  const uint64_t head = head_.load(std::memory_order_relaxed), end = end_.load(std::memory_order_relaxed);
  for (uint64_t at = head; at < end;) {
    const size_t run = std::min({end - at, size_ - (at & (size_ - 1)), size - (at & (size - 1))});
    std::memcpy(ring.get() + (at & (size - 1)), ring_.get() + (at & (size_ - 1)), run);
    at += run;
  }
  ring_ = std::move(ring);
  size_ = size;
}

// An empty ring begins at its start again, so that small exchanges stay in few pages. The head goes first:
// readers see an empty queue all along.
void ByteQueue::StartAfresh() {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  if (end_.load(std::memory_order_relaxed) != tail) return;
  if (size_ == 0 || (tail & (size_ - 1)) < size_ / 2 || urgent_state_.load() != kNone) return;
  if (head_.load(std::memory_order_seq_cst) < tail) return;
  const uint64_t next = (tail + size_ - 1) & ~uint64_t{size_ - 1};
  head_.store(next, std::memory_order_seq_cst);
  end_.store(next, std::memory_order_seq_cst);
  tail_.store(next, std::memory_order_seq_cst);
}

// Bytes up to `end` are in the ring.
void ByteQueue::ShowLocked(uint64_t end, bool hold) {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  end_.store(end, std::memory_order_seq_cst);
  const uint64_t shown = hold ? end - (end - tail) % kSegment : end;
  if (shown != tail) tail_.store(shown, std::memory_order_seq_cst);
}

bool ByteQueue::Flush() {
  std::lock_guard l(write_mu_);
  if (held() == 0) return false;
  ShowLocked(end_.load(), false);
  return true;
}

void ByteQueue::Close() {
  Flush();
  closed_.store(true, std::memory_order_seq_cst);
}

Result<size_t> ByteQueue::Write(IoSource& src, WriteMode mode) {
  std::lock_guard l(write_mu_);
  StartAfresh();
  GrowFor(src.remaining());
  size_t done = 0;
  while (src.remaining() > 0) {
    const uint64_t end = end_.load(std::memory_order_relaxed);
    const size_t taken = used(), bound = std::min(size_, limit());
    const size_t room = taken < bound ? bound - taken : 0;
    const size_t run = std::min({room, src.remaining(), size_ - (end & (size_ - 1))});
    if (run == 0) break;
    const auto n = src.Read({ring_.get() + (end & (size_ - 1)), run});
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    done += *n;
    if (mode.urgent && src.remaining() == 0) {
      urgent_at_ = end + *n - 1;
      urgent_state_ = kFresh;
    }
    ShowLocked(end + *n, mode.hold);
    if (*n < run) break;
  }
  return done > 0 || src.remaining() == 0 ? Result<size_t>(done) : Errno(EAGAIN);
}

// How much of `size` bytes lies before the urgent one.
size_t ByteQueue::UrgentBound(uint64_t head, size_t size) const {
  if (urgent_state_.load() == kNone) return size;
  const uint64_t at = urgent_at_.load();
  return at > head ? std::min<uint64_t>(size, at - head) : size;
}

// At the mark a read that has bytes ends; else the urgent byte is passed over unless it is in line.
bool ByteQueue::SkipUrgent(const ReadMode& mode, uint64_t* head, uint64_t tail, size_t done) {
  if (urgent_state_.load() == kNone || urgent_at_.load() != *head || *head >= tail) return true;
  if (done > 0) return false;
  if (!mode.urgent_inline) ++*head;
  if (!mode.peek) urgent_state_ = kNone;
  return true;
}

Result<size_t> ByteQueue::Copy(IoSink& dst, const ReadMode& mode, uint64_t* head, uint64_t tail) {
  size_t done = 0;
  while (dst.remaining() > done * mode.discard) {
    if (!SkipUrgent(mode, head, tail, done) || *head >= tail) break;
    const size_t left = mode.discard ? dst.remaining() - done : dst.remaining();
    const size_t run = UrgentBound(*head, std::min({left, tail - *head, size_ - (*head & (size_ - 1))}));
    const auto n = mode.discard ? Result<size_t>(run) : dst.Write({ring_.get() + (*head & (size_ - 1)), run});
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    *head += *n;
    done += *n;
    if (*n < run) break;
  }
  return done;
}

Result<size_t> ByteQueue::Read(IoSink& dst, const ReadMode& mode, bool* made_room) {
  std::lock_guard l(read_mu_);
  const bool closed = closed_.load(std::memory_order_seq_cst);  // before the tail: it wrote, then closed
  const uint64_t tail = tail_.load(std::memory_order_seq_cst);
  const uint64_t old_head = head_.load(std::memory_order_seq_cst);
  const size_t there = tail > old_head ? tail - old_head : 0;
  if (!closed && there < std::min(mode.at_least, dst.remaining())) return Errno(EAGAIN);
  if (there == 0) return closed || dst.remaining() == 0 ? Result<size_t>(size_t{0}) : Errno(EAGAIN);
  uint64_t head = old_head;
  const auto n = Copy(dst, mode, &head, tail);
  if (mode.peek || head == old_head) return n;
  head_.store(head, std::memory_order_seq_cst);
  const uint64_t now = end_.load(std::memory_order_seq_cst);
  *made_room = now - old_head > Threshold() && now - head <= Threshold();
  // Only an urgent byte was there, and it was passed over.
  if (n.ok() && *n == 0 && dst.remaining() > 0 && !closed) return Errno(EAGAIN);
  return n;
}

void ByteQueue::Reopen() {
  std::scoped_lock l(write_mu_, read_mu_);
  head_ = end_.load();
  tail_ = end_.load();
  urgent_state_ = kNone;
  closed_ = false;
}

Result<size_t> ByteQueue::ReadUrgent(IoSink& dst, bool peek) {
  std::lock_guard l(read_mu_);
  if (urgent_state_.load() != kFresh) return Errno(EINVAL);
  const std::byte byte = ring_[urgent_at_.load() & (size_ - 1)];
  size_t n = 0;
  if (dst.remaining() > 0) n = TRY(dst.Write({&byte, 1}));
  if (!peek) urgent_state_ = kTaken;
  return n;
}

bool ByteQueue::AtMark() const { return urgent_state_.load() != kNone && urgent_at_.load() == head_.load(); }

}  // namespace runsc
