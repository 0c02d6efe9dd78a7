// Waiting for a guest process in the foreground: signals go to it, its exit status comes back.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "absl/status/statusor.h"

namespace runsc {

// Blocks every signal that is to be forwarded. Call it before the sandbox exists, so that a signal
// that comes early waits for the guest instead of ending us.
void HoldForwardedSignals();

// Passes signals on to the monitor, a child of this process, until it ends. The shell's status: the guest's own, or
// 128+n.
absl::StatusOr<int> WaitInForeground(pid_t monitor);

// Whether runsc in the foreground passes `signo` on.
bool IsForwarded(int signo);

}  // namespace runsc
