// The buffer of a pipe or FIFO (pipe(7)), without the descriptions that refer to it.
#pragma once

#include <deque>
#include <memory>
#include <mutex>

#include "platform/base/mutex.h"
#include "platform/base/ref_ptr.h"
#include "sentry/vfs/io.h"
#include "sentry/vfs/wait_queue.h"

namespace runsc {

// A ring with one lock per side, each held while bytes move between the ring and the guest, as Linux
// holds its pipe lock: that is what makes reads and writes atomic against each other. Positions count
// bytes since the pipe was made and are never reset.
// References: its PipeFiles, and the inode of an anonymous one.
class Pipe : public RefCounted {
 public:
  static constexpr size_t kAtomic = 4096;  // PIPE_BUF; also what one packet holds at most
  static constexpr size_t kDefaultCapacity = 65536;
  static constexpr size_t kMaxCapacity = 1 << 20;  // /proc/sys/fs/pipe-max-size

  Pipe() = default;

  // EAGAIN: would block. 0: end of file.
  Result<size_t> Read(IoSink& dst);
  // EAGAIN: would block. EPIPE: nobody reads. `packets`: each write stays one message (O_DIRECT).
  Result<size_t> Write(IoSource& src, bool packets);
  // Copies without consuming up to `size` bytes from the front (tee). EAGAIN, or 0 at end of file.
  Result<size_t> Peek(std::byte* dst, size_t size);

  size_t available() const;
  size_t capacity() const { return capacity_.load(std::memory_order_relaxed); }
  // F_SETPIPE_SZ: rounds up. EBUSY when the content would not fit.
  Result<size_t> SetCapacity(uint64_t size);

  void AddEnds(bool reader, bool writer);
  void RemoveEnds(bool reader, bool writer);
  int readers() const { return readers_.load(); }
  int writers() const { return writers_.load(); }
  // How many ends of the kind were ever made: a FIFO's opener waits for this to change.
  uint32_t reader_openings() const { return reader_openings_.load(); }
  uint32_t writer_openings() const { return writer_openings_.load(); }
  EventMask ReadReadiness() const;   // without EPOLLHUP
  EventMask WriteReadiness() const;
  WaitQueue& queue() { return queue_; }

 private:
  struct Packet {
    uint64_t start, end;
  };
  bool HasRoomFor(size_t size, bool packets) const;
  size_t ReadLimit(uint64_t head, size_t size);
  Result<size_t> CopyOut(IoSink& dst, uint64_t position, size_t size);
  Result<size_t> Fill(IoSource& src, size_t size);
  void Consume(uint64_t head, size_t size);
  void Publish(uint64_t tail, size_t size, bool packet);
  size_t Free(uint64_t head, uint64_t tail) const { return capacity() - (tail - head); }

  std::mutex read_mu_, write_mu_;         // unranked: held across guest copies (docs/locking.md)
  std::unique_ptr<std::byte[]> ring_;     // made by the first write; replaced under both locks
  std::atomic<size_t> capacity_{kDefaultCapacity};  // a power of two
  std::atomic<uint64_t> head_{0};         // next byte to read; stored under read_mu_
  std::atomic<uint64_t> tail_{0};         // next byte to write; stored under write_mu_
  std::atomic<int> readers_{0}, writers_{0};
  std::atomic<uint32_t> reader_openings_{0}, writer_openings_{0};
  std::atomic<size_t> packet_count_{0};
  mutable Mutex packets_mu_{LockRank::kPipe};
  std::deque<Packet> packets_ ABSL_GUARDED_BY(packets_mu_);
  WaitQueue queue_;
};

}  // namespace runsc
