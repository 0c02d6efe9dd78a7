// The few facts about the machine that are the guest's too, because its memory and CPU time are native.
#pragma once

#include <string>

#include "platform/base/result.h"

namespace runsc {

// A whole small file of the host's procfs or sysfs. ENOENT where the sentry's root has none.
Result<std::string> ReadHostText(const char* path);

}  // namespace runsc
