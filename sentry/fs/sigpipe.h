// What a write to a broken pipe or socket does besides failing.
#pragma once

#include "sentry/kernel/signal_send.h"

namespace runsc {

// SIGPIPE for the calling thread; gives EPIPE back.
inline Errno BrokenPipe(Task& task) {
  (void)task.SendSignal(UserSignal(task, SIGPIPE, SI_USER));
  return Errno(EPIPE);
}

}  // namespace runsc
