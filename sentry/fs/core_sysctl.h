// The names of core files under /proc/sys/kernel.
#pragma once

namespace runsc {

// Makes them files of /proc/sys. Once, at boot.
void PublishCoreSysctls();

}  // namespace runsc
