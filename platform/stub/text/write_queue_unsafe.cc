// Writes that wait in the thread's slot for the sentry to fetch them (platform/write_queue.h).
#include "platform/stub/text/stub_unsafe.h"

namespace runsc::stub {
namespace {

// Where a write of `size` bytes lies that comes after position `at`.
uint32_t PlaceFor(uint32_t at, uint32_t size) {
  const uint32_t used = at % kQueuePage;
  return used + size <= kQueuePage ? at : at - used + kQueuePage;
}

// Pages that the position leaves, by skipping the rest or by filling it.
void NotePageEnds(ThreadPage* t, uint32_t at, uint32_t start, uint32_t end) {
  if (start != at) t->queue_ends[at / kQueuePage % kQueuePages] = static_cast<uint16_t>(at % kQueuePage);
  if (end % kQueuePage == 0) t->queue_ends[start / kQueuePage % kQueuePages] = kQueuePage;
}

}  // namespace

bool QueueWrite(ThreadPage* t, const uint64_t* args) {
  uint32_t state = __atomic_load_n(&t->queue.state, __ATOMIC_ACQUIRE);
  const uint64_t from = args[1], length = args[2], max = Info().max_addr;
  if (!(state & kQueueOpen) || static_cast<int32_t>(args[0]) != t->queue.fd) return false;
  if (length == 0 || length > kQueuePage || from > max || length > max - from) return false;
  const uint32_t at = state & ~kQueueOpen, size = static_cast<uint32_t>(length);
  const uint32_t start = PlaceFor(at, size), end = start + size;
  if (end > t->queue.limit) return false;
  uint8_t* queue = reinterpret_cast<uint8_t*>(t) + SLOT_QUEUE;
  if (safe_copy(queue + start, reinterpret_cast<const void*>(from), size) != 0) return false;
  NotePageEnds(t, at, start, end);
  t->queue.calls++;
  return __atomic_compare_exchange_n(&t->queue.state, &state, kQueueOpen | end, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_RELAXED);
}

}  // namespace runsc::stub
