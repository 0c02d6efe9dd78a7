#include "sentry/kernel/thread_group.h"

#include <algorithm>

#include "sentry/kernel/pid_namespace.h"
#include "sentry/kernel/process_timers.h"
#include "sentry/kernel/terminal.h"

namespace runsc {
namespace {

// Linux' defaults for a fresh system (include/asm-generic/resource.h), where not inherited from config.json.
void SetDefaultLimits(struct rlimit* limits) {
  std::fill_n(limits, RLIM_NLIMITS, rlimit{RLIM_INFINITY, RLIM_INFINITY});
  limits[RLIMIT_STACK] = {8 << 20, RLIM_INFINITY};
  limits[RLIMIT_CORE] = {0, RLIM_INFINITY};
  limits[RLIMIT_NOFILE] = {1024, 1 << 20};
  limits[RLIMIT_MEMLOCK] = {8 << 20, 8 << 20};
  limits[RLIMIT_NPROC] = {32768, 32768};
  limits[RLIMIT_SIGPENDING] = {32768, 32768};
  limits[RLIMIT_MSGQUEUE] = {819200, 819200};
  limits[RLIMIT_NICE] = {0, 0};
  limits[RLIMIT_RTPRIO] = {0, 0};
}

}  // namespace

ThreadGroup::ThreadGroup(Kernel& kernel, int pid) : kernel_(kernel), pid_(pid) {
  SetDefaultLimits(limits);
  start_time_ns = Kernel::MonotonicNs();
}

ThreadGroup::~ThreadGroup() = default;

}  // namespace runsc
