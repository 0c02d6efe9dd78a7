// The ring of a pipe.
#include "sentry/fs/pipe.h"

#include <algorithm>
#include <bit>

namespace runsc {

// A drained slot that writers have left is skipped. `tail` must be loaded before `head`.
Pipe::Run Pipe::FrontRun(uint64_t head, uint64_t tail) {
  Run run;
  if (head >= tail) return run;
  if (SlotOf(head) != SlotOf(tail) && head % kSlot == (EndOf(SlotOf(head)) & ~kPacket) % kSlot && head % kSlot != 0) {
    head = NextSlot(head);
  }
  run.start = head;
  for (uint64_t slot = SlotOf(head); head < tail; ++slot) {
    const bool last = slot == SlotOf(tail);
    const uint16_t end = last ? static_cast<uint16_t>(tail % kSlot) : EndOf(slot);
    const bool packet = !last && (end & kPacket);
    if (packet && run.size > 0) break;
    run.packet = packet;
    run.size += (end & ~kPacket) - head % kSlot;
    if (last || packet || end != kSlot || (slot + 1) % slots() == 0) break;
    head = (slot + 1) * kSlot;
  }
  return run;
}

// The position behind what was taken of a run: of a packet that was read nothing stays, of a slot that is
// finished neither.
uint64_t Pipe::After(const Run& run, size_t taken, uint64_t tail, PacketRest rest) {
  const uint64_t at = run.start + taken;
  if (run.packet && rest == PacketRest::kDropped) return NextSlot(at);
  const bool drained = taken == run.size && SlotOf(at) < SlotOf(tail);
  return drained ? NextSlot(at) : at;
}

// Copies runs out until `dst` is full, a packet ended or nothing is left; moves *head along.
Result<size_t> Pipe::Take(IoSink& dst, uint64_t* head, uint64_t tail, PacketRest rest) {
  size_t done = 0;
  while (dst.remaining() > 0) {
    const Run run = FrontRun(*head, tail);
    if (run.size == 0) break;
    const size_t want = std::min(run.size, dst.remaining());
    const auto n = dst.Write({At(run.start), want});
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    *head = After(run, *n, tail, rest);
    done += *n;
    if (*n < want || run.packet) break;
  }
  return done;
}

// In this order: writers wrote, then went; an empty pipe that starts afresh moves its head first.
Pipe::View Pipe::Look() const {
  View view;
  view.writers_gone = writers_.load() == 0;
  view.tail = tail_.load(std::memory_order_acquire);
  view.head = head_.load(std::memory_order_acquire);
  return view;
}

Result<size_t> Pipe::Consume(IoSink& dst, PacketRest rest) {
  if (dst.remaining() == 0) return size_t{0};
  std::lock_guard l(read_mu_);
  const View view = Look();
  if (view.empty()) return view.writers_gone ? Result<size_t>(size_t{0}) : Errno(EAGAIN);
  uint64_t head = view.head;
  const size_t n = TRY(Take(dst, &head, view.tail, rest));
  Release(view.head, head);
  return n;
}

// A reader that finds nothing may go to sleep: from then on nothing is written behind his back. What came before that
// is in the ring, whoever brought it there.
template <typename Attempt>
Result<size_t> Pipe::ReadBehind(Attempt attempt) {
  Gather(Then::kGoesOn);
  const Result<size_t> n = attempt();
  if (n.ok() || !(n.error() == Errno(EAGAIN))) return n;
  Gather(Then::kStops);
  return has_content() ? attempt() : n;
}

Result<size_t> Pipe::Read(IoSink& dst) {
  return ReadBehind([&] { return Consume(dst, PacketRest::kDropped); });
}

Result<size_t> Pipe::SpliceTo(IoSink& dst) {
  return ReadBehind([&] { return Consume(dst, PacketRest::kKept); });
}

Result<size_t> Pipe::Peek(IoSink& dst) {
  return ReadBehind([&]() -> Result<size_t> {
    std::lock_guard l(read_mu_);
    View view = Look();
    if (view.empty()) return view.writers_gone ? Result<size_t>(size_t{0}) : Errno(EAGAIN);
    return Take(dst, &view.head, view.tail, PacketRest::kKept);
  });
}

// Writers waiting for room are told when the first slot became free, not of every byte.
void Pipe::Release(uint64_t old_head, uint64_t head) {
  head_.store(head, std::memory_order_seq_cst);
  const uint64_t tail = tail_.load(std::memory_order_seq_cst);
  const size_t before = UsedSlots(old_head, tail), now = UsedSlots(head, tail);
  if (before >= slots() && now < slots()) queue_.Notify(EPOLLOUT | EPOLLWRNORM);
}

bool Pipe::Full() {
  const uint64_t tail = TailBehind();
  return UsedSlots(head_.load(std::memory_order_seq_cst), tail) >= slots();
}

void Pipe::Allocate() {
  if (ring_) return;
  ring_.reset(new std::byte[capacity()]);
  ends_.reset(new uint16_t[slots()]{});
}

// An empty pipe has all its slots free: the one that was being filled is left. The head goes first, so
// that readers see an empty pipe all along.
void Pipe::StartAfresh() {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  uint64_t head = head_.load(std::memory_order_seq_cst);
  if (head < tail || tail % kSlot == 0) return;
  head_.store(NextSlot(tail), std::memory_order_seq_cst);
  tail_.store(NextSlot(tail), std::memory_order_seq_cst);
}

// The odd bytes of a write, if they fit behind the last one. 0: they do not.
Result<size_t> Pipe::Merge(IoSource& src) {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  const size_t odd = src.remaining() % kSlot;
  if (odd == 0 || tail % kSlot == 0 || tail % kSlot + odd > kSlot) return size_t{0};
  const size_t n = TRY(src.Read({At(tail), odd}));
  if (n < odd) {
    src.Unread(n);
    return Errno(EFAULT);
  }
  Publish(tail, n, false);
  return n;
}

// The free bytes that lie together from `start`, the beginning of a slot.
size_t Pipe::RoomAt(uint64_t start, size_t max_slots) const {
  const size_t used = UsedSlots(head_.load(std::memory_order_seq_cst), start);
  const size_t together = slots() - (SlotOf(start) & (slots() - 1));
  return std::min({slots() - used, together, max_slots}) * kSlot;
}

// Free slots, as many as lie together. 0: none. What faults leaves no part of a slot behind.
Result<size_t> Pipe::FillSlots(IoSource& src, bool packet) {
  const uint64_t start = NextSlot(tail_.load(std::memory_order_relaxed));
  const size_t want = std::min(src.remaining(), RoomAt(start, packet ? 1 : slots()));
  if (want == 0) return size_t{0};
  size_t n = TRY(src.Read({At(start), want}));
  if (n < want) {
    const size_t part = n % kSlot;
    src.Unread(part);
    n -= part;
    if (n == 0) return Errno(EFAULT);
  }
  Publish(start, n, packet);
  return n;
}

void Pipe::Publish(uint64_t start, size_t size, bool packet) {
  uint64_t end = start + size;
  for (uint64_t slot = SlotOf(start); slot * kSlot < end; ++slot) {
    EndOf(slot) = static_cast<uint16_t>(std::min<uint64_t>(kSlot, end - slot * kSlot)) | (packet ? kPacket : 0);
  }
  if (packet) end = NextSlot(end);
  tail_.store(end, std::memory_order_seq_cst);
}

// All that fits. A packet pipe takes a large write as several packets.
Result<size_t> Pipe::Fill(IoSource& src, bool packets) {
  StartAfresh();
  size_t done = packets ? 0 : TRY(Merge(src));
  while (src.remaining() > 0) {
    const size_t wanted = src.remaining();
    const auto n = FillSlots(src, packets);
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    if (*n == 0) break;
    done += *n;
    if (*n < wanted && *n % kSlot != 0) break;
  }
  return done;
}

Result<size_t> Pipe::Write(IoSource& src, bool packets) {
  if (src.remaining() == 0) return size_t{0};
  std::lock_guard l(write_mu_);
  if (readers_.load() == 0) return Errno(EPIPE);
  GatherLocked(Then::kStops);
  Allocate();
  const size_t done = TRY(Fill(src, packets));
  if (done == 0) return Errno(EAGAIN);
  queue_.Notify(EPOLLIN | EPOLLRDNORM);
  return done;
}

// Fills free slots with what the source gives; it may have less than it was asked for.
Result<size_t> Pipe::FillFrom(IoSource& src) {
  StartAfresh();
  for (size_t done = 0;;) {
    const uint64_t start = NextSlot(tail_.load(std::memory_order_relaxed));
    const size_t want = std::min(src.remaining(), RoomAt(start, slots()));
    if (want == 0) return done > 0 ? Result<size_t>(done) : Errno(EAGAIN);
    const auto n = src.Read({At(start), want});
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    if (*n > 0) Publish(start, *n, false);
    done += *n;
    if (*n < want || src.remaining() == 0) return done;
  }
}

Result<size_t> Pipe::SpliceFrom(IoSource& src) {
  if (src.remaining() == 0) return size_t{0};
  std::lock_guard l(write_mu_);
  if (readers_.load() == 0) return Errno(EPIPE);
  GatherLocked(Then::kStops);
  Allocate();
  const size_t done = TRY(FillFrom(src));
  if (done > 0) queue_.Notify(EPOLLIN | EPOLLRDNORM);
  return done;
}

size_t Pipe::available() {
  Gather(Then::kGoesOn);
  std::lock_guard l(read_mu_);
  const uint64_t tail = tail_.load(std::memory_order_acquire);
  size_t bytes = 0;
  for (uint64_t head = head_.load(std::memory_order_acquire);;) {
    const Run run = FrontRun(head, tail);
    if (run.size == 0) return bytes;
    bytes += run.size;
    head = After(run, run.size, tail, PacketRest::kDropped);
  }
}

Result<size_t> Pipe::SetCapacity(uint64_t size) {
  if (size > (uint64_t{1} << 31)) return Errno(EINVAL);
  const size_t wanted = std::bit_ceil(std::max<uint64_t>(size, kSlot));
  if (wanted > kMaxCapacity) return Errno(EPERM);
  std::scoped_lock l(read_mu_, write_mu_);
  GatherLocked(Then::kStops);
  StartAfresh();
  const uint64_t head = head_.load(), tail = tail_.load();
  if (UsedSlots(head, tail) > wanted / kSlot) return Errno(EBUSY);
  if (ring_) {
    std::unique_ptr<std::byte[]> ring(new std::byte[wanted]);
    std::unique_ptr<uint16_t[]> ends(new uint16_t[wanted / kSlot]{});
    for (uint64_t slot = SlotOf(head); slot * kSlot < tail; ++slot) {
      const uint64_t at = slot & (wanted / kSlot - 1);
      std::copy_n(At(slot * kSlot), kSlot, ring.get() + at * kSlot);
      ends[at] = EndOf(slot);
    }
    ring_ = std::move(ring);
    ends_ = std::move(ends);
  }
  capacity_ = wanted;
  queue_.Notify(EPOLLOUT | EPOLLWRNORM);
  return wanted;
}

Pipe::Ends Pipe::AddEnds(bool reader, bool writer) {
  Ends before;
  {
    std::lock_guard<std::mutex> lock(ends_mu_);
    before = {readers_, writers_, reader_openings_, writer_openings_};
    readers_ += reader;
    writers_ += writer;
    reader_openings_ += reader;
    writer_openings_ += writer;
  }
  queue_.Notify(reader && writer ? EPOLLIN | EPOLLOUT : reader ? EPOLLOUT : EPOLLIN);
  return before;
}

void Pipe::RemoveEnds(bool reader, bool writer) {
  EventMask events = 0;
  if (reader && readers_.fetch_sub(1) == 1) events |= EPOLLERR | EPOLLOUT | EPOLLWRNORM;
  if (writer && writers_.fetch_sub(1) == 1) events |= EPOLLHUP | EPOLLIN | EPOLLRDNORM;
  if (events == 0) return;
  StopWriteBehind();  // the next write finds that nobody reads
  queue_.Notify(events);
}

EventMask Pipe::ReadReadiness() { return LookBehind() || has_content() ? EPOLLIN | EPOLLRDNORM : 0; }

EventMask Pipe::WriteReadiness() {
  EventMask ready = Full() ? 0 : EPOLLOUT | EPOLLWRNORM;
  if (readers() == 0) ready |= EPOLLERR;
  return ready;
}

}  // namespace runsc
