// /sys: the processors, the memory node, the loopback interface.
#pragma once

#include "sentry/vfs/inode.h"

namespace runsc {

class Kernel;

RefPtr<FileSystem> NewSysfs(Kernel& kernel);

}  // namespace runsc
