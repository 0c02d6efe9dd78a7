// /proc/sysvipc.
#pragma once

#include "sentry/fs/simple_fs.h"

namespace runsc {

void AddProcSysvIpc(SimpleDir& dir);

}  // namespace runsc
