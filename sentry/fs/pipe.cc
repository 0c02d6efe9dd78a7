// The ring of a pipe.
#include "sentry/fs/pipe.h"

#include <algorithm>
#include <bit>

namespace runsc {

Result<size_t> Pipe::Read(IoSink& dst) {
  if (dst.remaining() == 0) return size_t{0};
  std::lock_guard l(read_mu_);
  const bool writers_gone = writers_.load() == 0;  // before the tail: they wrote, then went
  const uint64_t head = head_.load(std::memory_order_relaxed);
  const uint64_t tail = tail_.load(std::memory_order_acquire);
  if (head == tail) return writers_gone ? Result<size_t>(size_t{0}) : Errno(EAGAIN);
  const size_t n =
      TRY(CopyOut(dst, head, ReadLimit(head, std::min<uint64_t>(tail - head, dst.remaining()))));
  Consume(head, n);
  return n;
}

// A read takes no more than one packet, and of a packet nothing stays.
size_t Pipe::ReadLimit(uint64_t head, size_t size) {
  if (packet_count_.load(std::memory_order_acquire) == 0) return size;
  MutexLock l(packets_mu_);
  if (packets_.empty()) return size;
  const uint64_t boundary = head < packets_.front().start ? packets_.front().start : packets_.front().end;
  return std::min<uint64_t>(size, boundary - head);
}

Result<size_t> Pipe::CopyOut(IoSink& dst, uint64_t position, size_t size) {
  const size_t offset = position & (capacity() - 1);
  const size_t first = std::min(size, capacity() - offset);
  const size_t n = TRY(dst.Write({ring_.get() + offset, first}));
  if (n < first || first == size) return n;
  const auto rest = dst.Write({ring_.get(), size - first});
  return n + (rest.ok() ? *rest : 0);
}

// Frees what was read: all of the packet at `head` if there is one. Writers waiting for room are told
// when an atomic write became possible, not before, so that they do not wake for every byte.
void Pipe::Consume(uint64_t head, size_t size) {
  uint64_t new_head = head + size;
  bool packet_gone = false;
  if (packet_count_.load(std::memory_order_relaxed) != 0) {
    MutexLock l(packets_mu_);
    if (!packets_.empty() && packets_.front().start <= head) {
      new_head = packets_.front().end;
      packets_.pop_front();
      packet_count_.store(packets_.size());
      packet_gone = true;
    }
  }
  head_.store(new_head, std::memory_order_seq_cst);
  const uint64_t tail = tail_.load(std::memory_order_seq_cst);
  if (packet_gone || (Free(head, tail) < kAtomic && Free(new_head, tail) >= kAtomic)) {
    queue_.Notify(EPOLLOUT | EPOLLWRNORM);
  }
}

bool Pipe::HasRoomFor(size_t size, bool packets) const {
  const size_t free = Free(head_.load(std::memory_order_seq_cst), tail_.load(std::memory_order_relaxed));
  if (packets) {
    return free >= std::min(size, kAtomic) && packet_count_.load() < capacity() / kAtomic;
  }
  return size <= kAtomic ? free >= size : free > 0;
}

Result<size_t> Pipe::Write(IoSource& src, bool packets) {
  if (src.remaining() == 0) return size_t{0};
  std::lock_guard l(write_mu_);
  if (readers_.load() == 0) return Errno(EPIPE);
  size_t done = 0;
  // A packet pipe takes a large write as several packets; a plain one fills what is free.
  while (src.remaining() > 0 && HasRoomFor(src.remaining(), packets)) {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    const size_t free = Free(head_.load(std::memory_order_acquire), tail);
    const auto n = Fill(src, std::min({src.remaining(), free, packets ? kAtomic : free}));
    if (!n.ok()) return done > 0 ? Result<size_t>(done) : n;
    if (*n == 0) break;
    Publish(tail, *n, packets);
    done += *n;
  }
  if (done == 0) return Errno(EAGAIN);
  queue_.Notify(EPOLLIN | EPOLLRDNORM);
  return done;
}

// Puts up to `size` bytes behind the tail, where no reader looks yet.
Result<size_t> Pipe::Fill(IoSource& src, size_t size) {
  if (!ring_) ring_.reset(new std::byte[capacity()]);
  const size_t offset = tail_.load(std::memory_order_relaxed) & (capacity() - 1);
  const size_t first = std::min(size, capacity() - offset);
  const size_t n = TRY(src.Read({ring_.get() + offset, first}));
  if (n < first || first == size) return n;
  const auto rest = src.Read({ring_.get(), size - first});
  return n + (rest.ok() ? *rest : 0);
}

void Pipe::Publish(uint64_t tail, size_t size, bool packet) {
  if (packet) {
    MutexLock l(packets_mu_);
    packets_.push_back({tail, tail + size});
    packet_count_.store(packets_.size());
  }
  tail_.store(tail + size, std::memory_order_release);
}

Result<size_t> Pipe::Peek(std::byte* dst, size_t size) {
  std::lock_guard l(read_mu_);
  const bool writers_gone = writers_.load() == 0;
  const uint64_t head = head_.load(std::memory_order_relaxed);
  const uint64_t tail = tail_.load(std::memory_order_acquire);
  if (head == tail) return writers_gone ? Result<size_t>(size_t{0}) : Errno(EAGAIN);
  BufferSink sink({dst, size});
  return CopyOut(sink, head, ReadLimit(head, std::min<uint64_t>(tail - head, size)));
}

size_t Pipe::available() const {
  const uint64_t head = head_.load();
  return std::min<uint64_t>(tail_.load() - head, capacity());
}

Result<size_t> Pipe::SetCapacity(uint64_t size) {
  if (size == 0 || size > (uint64_t{1} << 31)) return Errno(EINVAL);
  const size_t wanted = std::bit_ceil(std::max<uint64_t>(size, kAtomic));
  if (wanted > kMaxCapacity) return Errno(EPERM);
  std::scoped_lock l(read_mu_, write_mu_);
  const uint64_t head = head_.load(), tail = tail_.load();
  if (tail - head > wanted || packet_count_.load() > wanted / kAtomic) return Errno(EBUSY);
  if (ring_) {
    std::unique_ptr<std::byte[]> ring(new std::byte[wanted]);
    for (uint64_t at = head; at < tail; ++at) {
      ring[at & (wanted - 1)] = ring_[at & (capacity() - 1)];
    }
    ring_ = std::move(ring);
  }
  capacity_ = wanted;
  queue_.Notify(EPOLLOUT | EPOLLWRNORM);
  return wanted;
}

void Pipe::AddEnds(bool reader, bool writer) {
  if (reader) {
    ++readers_;
    ++reader_openings_;
  }
  if (writer) {
    ++writers_;
    ++writer_openings_;
  }
  queue_.Notify(reader && writer ? EPOLLIN | EPOLLOUT : reader ? EPOLLOUT : EPOLLIN);
}

void Pipe::RemoveEnds(bool reader, bool writer) {
  EventMask events = 0;
  if (reader && readers_.fetch_sub(1) == 1) events |= EPOLLERR | EPOLLOUT | EPOLLWRNORM;
  if (writer && writers_.fetch_sub(1) == 1) events |= EPOLLHUP | EPOLLIN | EPOLLRDNORM;
  if (events != 0) queue_.Notify(events);
}

EventMask Pipe::ReadReadiness() const {
  return available() > 0 ? EPOLLIN | EPOLLRDNORM : 0;
}

EventMask Pipe::WriteReadiness() const {
  const bool room = capacity() - available() >= kAtomic && packet_count_.load() < capacity() / kAtomic;
  EventMask ready = room ? EPOLLOUT | EPOLLWRNORM : 0;
  if (readers() == 0) ready |= EPOLLERR;
  return ready;
}

}  // namespace runsc
