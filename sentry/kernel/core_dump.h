// Core files: core(5).
#pragma once

#include <signal.h>

#include "sentry/kernel/task.h"

namespace runsc {

// Whether the default action of `signo` leaves a core.
bool IsCoreSignal(int signo);

// Writes the image of the caller's process, which `info` ends, to the file that core_pattern names, as far as
// RLIMIT_CORE allows. Its other threads are ending: the file has the caller's registers only. True if written.
bool DumpCore(Task& task, const siginfo_t& info);

}  // namespace runsc
