// The limit of mounts under /proc/sys/fs.
#pragma once

namespace runsc {

// Makes it a file of /proc/sys. Once, at boot.
void PublishMountSysctl();

}  // namespace runsc
