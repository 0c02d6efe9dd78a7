// Settings of a network namespace under /proc/sys/net.
#pragma once

namespace runsc {

// Makes them files of /proc/sys. Once, at boot.
void PublishNetSysctls();

}  // namespace runsc
