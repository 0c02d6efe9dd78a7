// Attributes that are kept in memory.
#pragma once

#include "sentry/vfs/inode.h"

namespace runsc {

// The host's clock, CLOCK_REALTIME.
timespec RealtimeNow();

// What chmod, chown and utimensat change; the change time becomes now. A size is the caller's business.
void ApplyChange(const AttrChange& change, Attr& attr);

}  // namespace runsc
