// RLIMIT_FSIZE.
#pragma once

#include "sentry/kernel/task.h"

namespace runsc {

// EFBIG. SIGXFSZ goes with it, as setrlimit(2) says, if it is for the limit.
Errno FileTooLarge(Task& task);

}  // namespace runsc
