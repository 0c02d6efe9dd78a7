// Every handler's prototype, by family: the contents page of the guest ABI. Handlers are free functions
// `Sys<LinuxName>` taking the task and typed arguments; they decode, delegate and return.
#pragma once

#include <sys/types.h>

#include "platform/platform.h"
#include "sentry/kernel/syscall_table.h"

namespace runsc {

class Task;

// read_write.cc

// open_close.cc

// metadata.cc

// directories.cc

// fd.cc (dup, fcntl, ioctl, flock...)

// mount.cc

// memory.cc

// process.cc

// signals.cc

// futex.cc

// time.cc

// identity.cc

// poll.cc

// sockets.cc

// event_files.cc (pipe, eventfd, timerfd, signalfd, memfd)

// system.cc

}  // namespace runsc
