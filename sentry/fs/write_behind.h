// Small writes to a pipe that its writer's engine takes by itself (platform/write_queue.h): many programs write line by
// line.
#pragma once

#include "sentry/vfs/file.h"

namespace runsc {

// `task` wrote `size` bytes to `file`, its descriptor `fd`: there may be more to come.
void OfferWriteBehind(Task& task, int fd, File& file, size_t size);

}  // namespace runsc
