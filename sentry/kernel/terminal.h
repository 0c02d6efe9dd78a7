// What job control needs to know of a terminal; implemented by the tty layer (sentry/fs/tty.h).
#pragma once

#include "platform/base/ref_ptr.h"

namespace runsc {

// Fields are guarded by the kernel's task set lock.
class Terminal : public RefCounted {
 public:
  int session = 0;  // sid that has it as controlling terminal, 0 = none
  int foreground_pgid = 0;
  uint64_t rdev = 0;  // for /proc/PID/stat
};

}  // namespace runsc
