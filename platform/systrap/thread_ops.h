// The helper operations that give a stub a slot and a host thread in it.
#pragma once

#include <cstdint>
#include <vector>

#include "platform/stub/stub_layout.h"

namespace runsc::systrap {

// The last operation's result is the thread's id.
std::vector<stub::HelperOp> ThreadOps(int slots_fd, uint64_t slot_offset, uint32_t slot, bool mapped);
// The same in a fork's child, which has none of its parent's slots.
std::vector<stub::HelperOp> ForkedThreadOps(int slots_fd, uint64_t slot_offset, uint32_t slot);

}  // namespace runsc::systrap
