// /dev: the memory devices (null, zero, full, random, urandom) and what a fresh /dev contains.
#pragma once

#include "sentry/vfs/inode.h"

namespace runsc {

// Puts the drivers in the registry of sentry/vfs/device.h, so that every node with their numbers works,
// in /dev or not. At boot.
void RegisterMemoryDevices();

// Fills an empty directory (the root of a tmpfs to be mounted at /dev) with the nodes, links and mount
// points of config-linux.md's "Default Devices" and "Dev symbolic links".
Result<void> PopulateDev(Inode& dir);

}  // namespace runsc
