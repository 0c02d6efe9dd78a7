// /proc/net: the sockets themselves are in a layer above.
#pragma once

#include <string>

namespace runsc {

// The lines of a file after its heading. Set at boot, before anybody reads.
using ProcNetText = std::string (*)();
void SetProcNetText(const char* name, ProcNetText text);

}  // namespace runsc
