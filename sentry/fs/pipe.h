// The buffer of a pipe or FIFO (pipe(7)), without the descriptions that refer to it.
#pragma once

#include <memory>
#include <mutex>

#include "platform/base/mutex.h"
#include "platform/base/ref_ptr.h"
#include "platform/write_queue.h"
#include "sentry/vfs/io.h"
#include "sentry/vfs/wait_queue.h"

namespace runsc {

// A ring of pages ("slots"), as in Linux: a write begins a new slot unless it fits behind the last one,
// a slot is free again only when all of it was read, and a packet has its slot for itself. So what fits,
// and when writers may go on, is as there.
// One lock per side, each held while bytes move between the ring and the guest, as Linux holds its pipe
// lock: that is what makes reads and writes atomic against each other. Positions are slot number times
// the slot's size plus the offset in it; slots are numbered since the pipe was made.
// References: its PipeFiles, and the inode of an anonymous one.
class Pipe : public RefCounted {
 public:
  static constexpr size_t kSlot = 4096;  // also PIPE_BUF, and what one packet holds at most
  static constexpr size_t kDefaultCapacity = 65536;
  static constexpr size_t kMaxCapacity = 1 << 20;  // /proc/sys/fs/pipe-max-size

  Pipe() = default;

  // EAGAIN: would block. 0: end of file.
  Result<size_t> Read(IoSink& dst);
  // EAGAIN: would block. EPIPE: nobody reads. `packets`: each write stays one message (O_DIRECT).
  Result<size_t> Write(IoSource& src, bool packets);
  // As Read, but what `dst` does not take of a packet stays (splice).
  Result<size_t> SpliceTo(IoSink& dst);
  // As SpliceTo, without consuming (tee).
  Result<size_t> Peek(IoSink& dst);
  // Takes what `src` has now into slots of their own (splice). EAGAIN: full. 0: `src` is at its end.
  Result<size_t> SpliceFrom(IoSource& src);

  // Write-behind: the guest thread of `queue` writes to `fd`, which is this pipe, by itself until EndWriteBehind,
  // unless somebody waits for what it writes. What it wrote counts as written: it lies in the slots it would lie in,
  // and whoever looks at the pipe sees it. False: not now, it stays as it was.
  bool BeginWriteBehind(WriteQueue& queue, int fd);
  // Bytes taken since it began.
  uint64_t EndWriteBehind();
  void ForbidWriteBehind();  // for good

  size_t available();
  size_t capacity() const { return capacity_.load(std::memory_order_relaxed); }
  // F_SETPIPE_SZ: rounds up. EBUSY when the content would not fit.
  Result<size_t> SetCapacity(uint64_t size);

  // How many ends there are, and how many were ever made.
  struct Ends {
    int readers = 0, writers = 0;
    uint32_t reader_openings = 0, writer_openings = 0;
  };
  // Returns the ends that were there when these came.
  Ends AddEnds(bool reader, bool writer);
  void RemoveEnds(bool reader, bool writer);
  int readers() const { return readers_.load(); }
  int writers() const { return writers_.load(); }
  // A FIFO's opener waits for the other kind's to change.
  uint32_t reader_openings() const { return reader_openings_.load(); }
  uint32_t writer_openings() const { return writer_openings_.load(); }
  // Without EPOLLHUP. Whoever waits asks once he is in the queue: from then on he is told of each write.
  EventMask ReadReadiness();
  EventMask WriteReadiness();
  WaitQueue& queue() { return queue_; }

 private:
  static constexpr uint16_t kPacket = 0x8000;  // in ends_
  static uint64_t SlotOf(uint64_t position) { return position / kSlot; }
  static uint64_t NextSlot(uint64_t position) { return (position + kSlot - 1) / kSlot * kSlot; }
  static size_t UsedSlots(uint64_t head, uint64_t tail) {
    return head >= tail ? 0 : SlotOf(NextSlot(tail)) - SlotOf(head);
  }
  size_t slots() const { return capacity() / kSlot; }
  std::byte* At(uint64_t position) { return ring_.get() + (position & (capacity() - 1)); }
  uint16_t& EndOf(uint64_t slot) { return ends_[slot & (slots() - 1)]; }

  // The bytes at the front that lie together. Empty at the end of what `tail` shows.
  struct Run {
    uint64_t start = 0;
    size_t size = 0;
    bool packet = false;
  };
  struct View {
    bool writers_gone = false;
    uint64_t tail = 0, head = 0;
    bool empty() const { return head >= tail; }
  };
  enum class PacketRest { kDropped, kKept };
  View Look() const;
  Run FrontRun(uint64_t head, uint64_t tail);
  uint64_t After(const Run& run, size_t taken, uint64_t tail, PacketRest rest);
  Result<size_t> Take(IoSink& dst, uint64_t* head, uint64_t tail, PacketRest rest);
  Result<size_t> Consume(IoSink& dst, PacketRest rest);
  bool has_content() const { return head_.load() < tail_.load(); }
  void Release(uint64_t old_head, uint64_t head);
  bool Full();

  void Allocate();
  void StartAfresh();
  Result<size_t> Merge(IoSource& src);
  size_t RoomAt(uint64_t start, size_t max_slots) const;
  Result<size_t> FillFrom(IoSource& src);
  Result<size_t> FillSlots(IoSource& src, bool packet);
  void Publish(uint64_t start, size_t size, bool packet);
  Result<size_t> Fill(IoSource& src, bool packets);

  // pipe_write_behind.cc
  struct Behind {
    WriteQueue* queue = nullptr;  // null: nobody writes behind
    uint64_t base = 0;            // where the queue's first byte lies
    uint32_t taken = 0, limit = 0;
    uint64_t bytes = 0;  // taken so far
    uint32_t position() const;
    uint64_t tail() const { return base + position(); }
  };
  enum class Then { kGoesOn, kStops };
  template <typename Attempt>
  Result<size_t> ReadBehind(Attempt attempt);
  void Gather(Then then);
  void GatherLocked(Then then);
  void TakeBehindLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(behind_mu_);
  void StopWriteBehind();
  bool LookBehind();
  uint64_t TailBehind();

  std::mutex read_mu_, write_mu_;      // unranked: held across guest copies (docs/locking.md)
  std::unique_ptr<std::byte[]> ring_;  // made by the first write; replaced under both locks
  // How far each slot is filled, and whether it is a packet. Written before the tail leaves the slot, read
  // only of slots the tail has left.
  std::unique_ptr<uint16_t[]> ends_;
  std::atomic<size_t> capacity_{kDefaultCapacity};  // a power of two
  // The next byte to read: stored under read_mu_, or under write_mu_ while the pipe is empty.
  std::atomic<uint64_t> head_{0};
  std::atomic<uint64_t> tail_{0};  // next byte to write; stored under write_mu_
  std::atomic<bool> has_behind_{false};
  Mutex behind_mu_{LockRank::kPipe};
  Behind behind_ ABSL_GUARDED_BY(behind_mu_);  // changed with write_mu_ held too
  bool behind_forbidden_ ABSL_GUARDED_BY(behind_mu_) = false;
  std::mutex ends_mu_;  // unranked leaf: ends come one after the other, each seen by the next
  std::atomic<int> readers_{0}, writers_{0};
  std::atomic<uint32_t> reader_openings_{0}, writer_openings_{0};
  WaitQueue queue_;
};

}  // namespace runsc
