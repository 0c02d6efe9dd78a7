#include "sentry/kernel/robust_list.h"

#include <linux/futex.h>

namespace runsc {
namespace {

constexpr int kRobustListLimit = 2048;
constexpr GuestAddr kPiBit = 1;

struct RobustHead {
  uint64_t next;
  int64_t futex_offset;
  uint64_t pending;
};

// Marks one robust futex as left by its dead owner and wakes one waiter, as robust_list(7) asks. The word may
// change meanwhile only by others trying to lock it, which keeps the owner's id: a lost WAITERS bit is avoided
// by waking whatever the word said.
void ReleaseRobustFutex(Task& task, GuestAddr addr, int tid, bool is_pi) {
  if (addr & 3) return;
  const auto word = task.CopyInObject<uint32_t>(addr);
  if (!word.ok() || (*word & FUTEX_TID_MASK) != static_cast<uint32_t>(tid)) return;
  const uint32_t dead = (*word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
  if (!task.CopyOutObject(addr, dead).ok()) return;
  (void)task.mm().address_space().FutexWake(addr, 1, true);
  if (is_pi) (void)task.mm().address_space().FutexWake(addr, 1, false);  // the list does not say how they wait
}

// The lowest bit of a list pointer marks a futex that names its owner for priority inheritance.
void ReleaseEntry(Task& task, GuestAddr entry, int64_t offset, int tid) {
  ReleaseRobustFutex(task, (entry & ~kPiBit) + offset, tid, entry & kPiBit);
}

}  // namespace

void WalkRobustList(Task& task, int tid) {
  const GuestAddr head_addr = task.RobustList();
  task.context().SetRobustList(0);
  if (head_addr == 0) return;
  const auto head = task.CopyInObject<RobustHead>(head_addr);
  if (!head.ok()) return;
  GuestAddr entry = head->next;
  GuestAddr seen =
      head_addr;  // some entry before this one, further on each time: what comes back to it goes in circles
  for (int i = 0; i < kRobustListLimit && (entry & ~kPiBit) != head_addr; ++i) {
    if (entry == seen) break;  // a second round would find nothing more to do
    if ((i & (i - 1)) == 0) seen = entry;
    const auto next = task.CopyInObject<uint64_t>(entry & ~kPiBit);
    if (entry != head->pending) ReleaseEntry(task, entry, head->futex_offset, tid);
    if (!next.ok()) return;
    entry = *next;
  }
  if (head->pending != 0) ReleaseEntry(task, head->pending, head->futex_offset, tid);
}

}  // namespace runsc
