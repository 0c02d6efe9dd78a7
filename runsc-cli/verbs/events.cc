// runsc events: what a container uses, and when it runs out of memory.
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/settings.h"
#include "runsc-cli/cgroup/stats.h"
#include "runsc-cli/container/store.h"
#include "runsc-cli/sandbox/call.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"interval", FlagKind::kString, "5s", "", "time between two samples: 5s, 500ms, or a number of seconds"},
    {"stats", FlagKind::kBool, "false", "", "one sample, then end"},
};

// In ms. A number alone means seconds.
absl::StatusOr<int64_t> ParseInterval(std::string_view text) {
  if (const auto seconds = ParseNumber<uint32_t>(text); seconds && *seconds > 0) return int64_t{*seconds} * 1000;
  ASSIGN_OR_RETURN(const int64_t ns, ParseGoDuration(text));
  if (ns >= 1'000'000 && ns / 1'000'000 <= INT32_MAX) return ns / 1'000'000;
  return InvalidArgument("--interval: \"", text, "\" is too short or too long");
}

int64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1'000'000;
}

// The host's controller counts the sandbox's own tasks too.
CgroupStats Sample(StateStore& store, const ContainerState& state) {
  CgroupStats stats = ReadCgroupStats(state.cgroups);
  const auto reply = AskSandbox<TasksReply>(store, state, ControlType::kTasks, ToWire(ContainerRequest{state.id}));
  stats.pids.current = reply.ok() ? reply->tasks.size() : 0;
  stats.pids.limit = static_cast<uint64_t>(GuestTaskLimit(static_cast<int64_t>(stats.pids.limit)));
  return stats;
}

// Samples and news until the container ends.
absl::Status Follow(StateStore& store, const ContainerState& state, int64_t interval_ms) {
  ASSIGN_OR_RETURN(OomWatch watch, OomWatch::Open(state.cgroups));
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, state.monitor.pid, 0)));
  pollfd fds[] = {{watch.fd(), POLLIN, 0}, {process.get(), POLLIN, 0}};
  int64_t next = NowMs();
  while (CurrentStatus(state) != ContainerStatus::kStopped) {
    if (NowMs() >= next) {
      RETURN_IF_ERROR(Print(StatsEvent(state.id, Sample(store, state))));
      next = NowMs() + interval_ms;
    }
    if (poll(fds, 2, static_cast<int>(std::max<int64_t>(next - NowMs(), 0))) <= 0) continue;
    if (fds[0].revents != 0 && watch.Drain()) RETURN_IF_ERROR(Print(OomEvent(state.id)));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  const std::string id(invocation.args[0]);
  ASSIGN_OR_RETURN(const int64_t interval, ParseInterval(invocation.flags.GetString("interval")));
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  ASSIGN_OR_RETURN(const ContainerState state, store.Read(id));
  if (CurrentStatus(state) == ContainerStatus::kStopped) return NotRunning(id);
  if (state.cgroups.empty()) {
    return absl::FailedPreconditionError(Cat("container \"", id, "\" has no cgroup to read statistics from"));
  }
  if (invocation.flags.GetBool("stats")) {
    RETURN_IF_ERROR(Print(StatsEvent(id, Sample(store, state))));
  } else {
    RETURN_IF_ERROR(Follow(store, state, interval));
  }
  return 0;
}

}  // namespace

const Verb kEventsVerb = {
    "events", "<container-id>", "print what a container uses, and when it runs out of memory", kFlags, 1, 1, Run};

}  // namespace runsc
