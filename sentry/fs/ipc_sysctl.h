// The limits of an IPC namespace under /proc/sys/kernel.
#pragma once

namespace runsc {

// Makes them files of /proc/sys. Once, at boot.
void PublishIpcSysctls();

}  // namespace runsc
