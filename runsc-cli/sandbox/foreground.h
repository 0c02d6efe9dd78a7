// Waiting for a container in the foreground: signals go to its init, its exit status comes back.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "absl/status/statusor.h"
#include "runsc-cli/sandbox/spawn.h"

namespace runsc {

// Blocks every signal that is to be forwarded. Call it before the sandbox exists, so that a signal
// that comes early waits for the guest instead of ending us.
void HoldForwardedSignals();

// Forwards signals until the sandbox ends. The shell's status: the guest's own, or 128+n.
absl::StatusOr<int> WaitInForeground(Sandbox& sandbox, int state_directory);

// Whether runsc in the foreground passes `signo` on.
bool IsForwarded(int signo);

}  // namespace runsc
