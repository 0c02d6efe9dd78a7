// /proc/net: the sockets themselves are in a layer above.
#pragma once

#include <string>

#include "sentry/kernel/task.h"

namespace runsc {

// The lines of a file after its heading, for the network namespace of a task. Set at boot, before anybody reads.
using ProcNetText = std::string (*)(Task& whose);
void SetProcNetText(const char* name, ProcNetText text);

}  // namespace runsc
