// Write-behind: small writes of a guest thread to one descriptor, which the engine answers at once and keeps until the
// kernel fetches them. For a file nobody waits at: who comes to wait closes the queue first, and is told of the next
// write, which is a call again.
#pragma once

#include <cstddef>
#include <cstdint>

namespace runsc {

// Laid out as a pipe's ring is: pages, and a write lies within one, behind the last write if it fits there. Positions
// count bytes from the start of the first page. The guest can write to all of it: what is read here may be a lie.
class WriteQueue {
 public:
  static constexpr uint32_t kPage = 4096, kSize = 16 * kPage;

  // At an event. From the next Run on, what is written to `fd` goes to `start`, in the first page, and on up to
  // `limit`, the end of a page. What does not fit, or comes when the queue is closed, is a call like any other.
  virtual void Open(int fd, uint32_t start, uint32_t limit) = 0;
  // Nothing is added from now on, until it is opened again. Any thread, as the following.
  virtual void Close() = 0;
  virtual uint32_t position() const = 0;              // the end of what was written
  virtual uint32_t PageEnd(uint32_t page) const = 0;  // how far a page is filled that `position` has left
  virtual uint32_t calls() const = 0;                 // how many writes there were since Open
  virtual const std::byte* bytes() const = 0;

 protected:
  ~WriteQueue() = default;
};

}  // namespace runsc
