// Makes the first stub, from which all others are forked. Runs in a fork of the sentry: no
// allocation, no locks, raw system calls only.
#pragma once

#include <linux/filter.h>
#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "platform/stub/stub_layout.h"

namespace runsc::stub {

// Sent to a guest thread to interrupt it.
inline constexpr int kKickSignal = SIGURG;

struct MovedMapping {
  uint64_t from, size, to;
};

struct SpawnParams {
  int text_fd;
  int commands_fd, commands_read_only_fd;
  uint64_t command_offset;
  uint64_t secret;
  uint64_t tag_key;     // the helper's second one
  bool traced = false;  // guest threads are tracees: no handler of ours is ever called
  std::vector<sock_filter> filter;
  std::vector<MovedMapping> vdso;  // [vvar] and [vdso], to their places in the stub's region
  // Where they are if the host sealed them: they stay mapped there, and no guest is told of them.
  uint64_t sealed_from = STUB_TOP, sealed_to = STUB_TOP;
};

// The new stub's pid, or -errno. The calling thread must live as long as the stubs: they die with
// it.
pid_t SpawnTemplate(const SpawnParams& params);

}  // namespace runsc::stub
