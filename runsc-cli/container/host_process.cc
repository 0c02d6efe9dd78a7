// Identifying and killing host processes without hitting a stranger that got the same pid.
#include "runsc-cli/container/host_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "platform/base/unique_fd.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

// A killed sandbox is gone in milliseconds; a process in uninterruptible sleep never is.
constexpr int kKillTimeoutMs = 10'000;
constexpr int kPollStepMs = 5;

struct ProcessStat {
  char state = 'X';
  pid_t parent = 0;
  uint64_t start_ticks = 0;
};

// Fields after the command name, which is in parentheses and may contain anything.
ProcessStat ReadStat(pid_t pid) {
  ProcessStat stat;
  absl::StatusOr<std::string> text = ReadFileAt(AT_FDCWD, Cat("/proc/", pid, "/stat"), 1 << 16);
  if (!text.ok()) return stat;
  const size_t close = text->rfind(')');
  if (close == text->npos || close + 2 >= text->size()) return stat;
  const auto fields = Split(std::string_view(*text).substr(close + 2), ' ');
  constexpr size_t kStartTime = 22 - 3;  // the state is field 3
  if (fields.size() <= kStartTime) return stat;
  stat.state = fields[0].empty() ? 'X' : fields[0][0];
  stat.parent = ParseNumber<pid_t>(fields[1]).value_or(0);
  stat.start_ticks = ParseNumber<uint64_t>(fields[kStartTime]).value_or(0);
  return stat;
}

UniqueFd OpenPidfd(pid_t pid) { return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); }

bool AwaitEnd(const UniqueFd& pidfd, int milliseconds) {
  pollfd ended = {pidfd.get(), POLLIN, 0};
  int ready;
  do {
    ready = poll(&ended, 1, milliseconds);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

absl::Status StillAlive(const HostProcess& process) {
  return absl::DeadlineExceededError(Cat("process ", process.pid, " does not end after SIGKILL"));
}

// On hosts without pidfd: kill by number right after checking it, then poll.
absl::Status KillByPid(const HostProcess& process) {
  for (int waited = 0; IsAlive(process); waited += kPollStepMs) {
    if (waited > kKillTimeoutMs) return StillAlive(process);
    if (kill(process.pid, SIGKILL) != 0 && errno != ESRCH) {
      return HostError(errno, "kill process %d", process.pid);
    }
    poll(nullptr, 0, kPollStepMs);
  }
  return absl::OkStatus();
}

}  // namespace

HostProcess IdentifyProcess(pid_t pid) {
  const ProcessStat stat = ReadStat(pid);
  if (stat.start_ticks == 0) return {};
  return {pid, stat.start_ticks};
}

std::optional<HostProcess> IdentifyChild(const HostProcess& parent, pid_t pid) {
  const ProcessStat stat = ReadStat(pid);
  if (stat.start_ticks == 0 || stat.parent != parent.pid || !IsAlive(parent)) return std::nullopt;
  return HostProcess{pid, stat.start_ticks};
}

bool IsAlive(const HostProcess& process) {
  if (process.pid <= 0) return false;
  const ProcessStat stat = ReadStat(process.pid);
  return stat.start_ticks == process.start_ticks && stat.state != 'Z' && stat.state != 'X';
}

bool EndsWithin(const HostProcess& process, int milliseconds) {
  const UniqueFd pidfd = OpenPidfd(process.pid);
  return !IsAlive(process) || AwaitEnd(pidfd, milliseconds);
}

absl::Status KillAndAwaitEnd(const HostProcess& process) {
  UniqueFd pidfd = OpenPidfd(process.pid);
  // The check comes after the pidfd is open: from here on the number cannot change hands.
  if (!IsAlive(process)) return absl::OkStatus();
  if (!pidfd.valid()) return KillByPid(process);
  if (syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0) != 0 && errno != ESRCH) {
    return HostError(errno, "kill process %d", process.pid);
  }
  return AwaitEnd(pidfd, kKillTimeoutMs) ? absl::OkStatus() : StillAlive(process);
}

}  // namespace runsc
