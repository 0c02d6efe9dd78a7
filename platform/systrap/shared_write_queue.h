// The write-behind of a guest thread, in the slot it shares with its stub.
#pragma once

#include "platform/stub/stub_layout.h"
#include "platform/write_queue.h"

namespace runsc::systrap {

class SharedWriteQueue final : public WriteQueue {
 public:
  explicit SharedWriteQueue(uint8_t* slot) : slot_(slot) {}

  void Open(int fd, uint32_t start, uint32_t limit) override {
    page().queue = {.state = 0, .fd = fd, .limit = limit, .calls = 0};
    __atomic_store_n(&page().queue.state, stub::kQueueOpen | start, __ATOMIC_RELEASE);
  }
  void Close() override { __atomic_fetch_and(&page().queue.state, ~stub::kQueueOpen, __ATOMIC_SEQ_CST); }
  uint32_t position() const override {
    return __atomic_load_n(&page().queue.state, __ATOMIC_SEQ_CST) & ~stub::kQueueOpen;
  }
  uint32_t PageEnd(uint32_t index) const override {
    return __atomic_load_n(&page().queue_ends[index % stub::kQueuePages], __ATOMIC_RELAXED);
  }
  uint32_t calls() const override { return __atomic_load_n(&page().queue.calls, __ATOMIC_RELAXED); }
  const std::byte* bytes() const override { return reinterpret_cast<const std::byte*>(slot_ + SLOT_QUEUE); }

 private:
  stub::ThreadPage& page() const { return *reinterpret_cast<stub::ThreadPage*>(slot_); }
  uint8_t* const slot_;
};

static_assert(WriteQueue::kPage == stub::kQueuePage && WriteQueue::kSize == stub::kQueuePages * stub::kQueuePage);

}  // namespace runsc::systrap
