// Translates mapping changes into operations of the helper thread, refusing what would touch the
// stub.
#pragma once

#include <span>
#include <vector>

#include "platform/base/result.h"
#include "platform/platform.h"
#include "platform/stub/stub_layout.h"

namespace runsc::stub {

// The helper does not pass the filter's address checks, so they are made here.
Result<stub::HelperOp> ToHelperOp(const MapOp& op);
// Clears the guest's part of the address space.
std::vector<stub::HelperOp> ClearOps();
// Gives the stub the name in its InfoPage.
stub::HelperOp NameOp();
// Tells the host where the guest's arguments are, as its InfoPage says; does nothing on hosts that cannot be told.
stub::HelperOp MemoryMapOp();
prctl_mm_map MemoryMapOf(const HostLook& look);

}  // namespace runsc::stub
