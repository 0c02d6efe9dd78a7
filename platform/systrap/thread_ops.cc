// See thread_ops.h.
#include "platform/systrap/thread_ops.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "platform/stub/stub_process.h"

namespace runsc::systrap {

std::vector<stub::HelperOp> ThreadOps(int slots_fd, uint64_t slot_offset, uint32_t slot, bool mapped) {
  const uint64_t base = STUB_SLOTS + static_cast<uint64_t>(slot) * STUB_SLOT_SIZE;
  std::vector<stub::HelperOp> ops;
  if (!mapped) {
    ops.push_back({SYS_mmap,
                   {base, STUB_SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                    static_cast<uint64_t>(slots_fd), slot_offset},
                   1});
    ops.push_back({SYS_madvise, {base, STUB_SLOT_SIZE, MADV_DONTFORK}, 1});
    // What every thread uses, without a fault for each page. A host that cannot is no worse off.
    ops.push_back({SYS_madvise, {base, 0x1000, MADV_POPULATE_WRITE}, 0});
    ops.push_back({SYS_madvise, {base + SLOT_STACK_TOP - 0x1000, 0x1000, MADV_POPULATE_WRITE}, 0});
  }
  ops.push_back({HELPER_THREAD, {stub::kThreadFlags, base + SLOT_STACK_TOP, 0, 0, base}, 1});
  return ops;
}

// A fork drops the parent's slots; the holes must not be found by the guest's mmap.
std::vector<stub::HelperOp> ForkedThreadOps(int slots_fd, uint64_t slot_offset, uint32_t slot) {
  std::vector<stub::HelperOp> ops{
      {SYS_mmap,
       {STUB_SLOTS, STUB_END - STUB_SLOTS, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, ~0UL, 0},
       1}};
  const auto thread_ops = ThreadOps(slots_fd, slot_offset, slot, false);
  ops.insert(ops.end(), thread_ops.begin(), thread_ops.end());
  return ops;
}

}  // namespace runsc::systrap
