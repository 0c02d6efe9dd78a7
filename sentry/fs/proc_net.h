// /proc/net/unix: the sockets themselves are in a layer above.
#pragma once

#include <string>

namespace runsc {

// The lines after the heading. Set at boot.
using UnixSocketLister = std::string (*)();
void SetUnixSocketLister(UnixSocketLister lister);

}  // namespace runsc
