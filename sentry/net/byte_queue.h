// One direction of a loopback TCP connection: bytes, an end, and one urgent mark. What one side sends goes
// straight into the queue the other one reads.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "sentry/vfs/io.h"

namespace runsc {

// A ring that grows up to the limit. One lock per side, each held while bytes move between the ring and the
// guest (docs/locking.md); positions are bytes since the start, modulo the ring's size.
class ByteQueue {
 public:
  static constexpr size_t kFirstSize = 16384;
  static constexpr size_t kMaxSize = 1 << 19;
  static constexpr size_t kSegment = 32741;  // of a new connection over lo, on Linux

  struct WriteMode {
    bool urgent = false;  // the last byte is
    bool hold = false;    // what does not fill a segment stays out of the reader's sight
  };
  // EAGAIN: no room.
  Result<size_t> Write(IoSource& src, WriteMode mode);
  // Shows the reader what is held. True if something was.
  bool Flush();
  size_t held() const;
  // The writer is done: readers get 0 once all is read.
  void Close();

  // Empty and open, for another connection.
  void Reopen();

  struct ReadMode {
    bool peek = false;
    bool discard = false;  // MSG_TRUNC: the bytes are not wanted
    bool urgent_inline = false;
    size_t at_least = 1;  // SO_RCVLOWAT
  };
  // EAGAIN: not enough there. *made_room tells whether a writer may want to know.
  Result<size_t> Read(IoSink& dst, const ReadMode& mode, bool* made_room);
  // MSG_OOB: the urgent byte. EINVAL: there is none, or it was read.
  Result<size_t> ReadUrgent(IoSink& dst, bool peek);

  size_t available() const;
  // What FIONREAD says: up to the urgent byte, unless that is in line.
  size_t available_to(bool urgent_inline) const;
  bool AtMark() const;  // the next byte is the urgent one, or the one after it
  bool HasUrgent() const { return urgent_state_.load() == kFresh; }
  bool closed() const { return closed_.load(std::memory_order_seq_cst); }
  bool writable() const { return used() <= Threshold(); }
  size_t limit() const { return limit_.load(std::memory_order_relaxed); }
  void set_limit(size_t limit);

 private:
  enum : int { kNone, kFresh, kTaken };
  static constexpr uint64_t kNowhere = ~uint64_t{0};

  size_t used() const;  // with what is held
  void ShowLocked(uint64_t end, bool hold);
  size_t Threshold() const { return limit() - limit() / 3; }
  void GrowFor(size_t wanted);
  size_t UrgentBound(uint64_t head, size_t size) const;
  bool SkipUrgent(const ReadMode& mode, uint64_t* head, uint64_t tail, size_t done);
  Result<size_t> Copy(IoSink& dst, const ReadMode& mode, uint64_t* head, uint64_t tail);
  void StartAfresh();

  std::mutex read_mu_, write_mu_;  // write_mu_ first
  std::unique_ptr<std::byte[]> ring_;
  size_t size_ = 0;  // a power of two; changed with both locks
  std::atomic<uint64_t> head_{0}, tail_{0};
  std::atomic<uint64_t> end_{0};  // where the next byte goes: the tail, and what is held
  std::atomic<bool> closed_{false};
  std::atomic<size_t> limit_{262144};
  std::atomic<uint64_t> urgent_at_{kNowhere};
  std::atomic<int> urgent_state_{kNone};
};

}  // namespace runsc
