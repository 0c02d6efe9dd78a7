// The foreground loop of `run`, `do` and `exec`.
#include "runsc-cli/sandbox/foreground.h"

#include <errno.h>
#include <sys/wait.h>

#include "platform/host/start_up_memory_unsafe.h"
#include "platform/host/status_util.h"

namespace runsc {
namespace {

sigset_t HeldSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signo = 1; signo <= SIGRTMAX; ++signo) {
    if (IsForwarded(signo)) sigaddset(&set, signo);
  }
  sigaddset(&set, SIGCHLD);
  return set;
}

int ShellStatus(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

}  // namespace

bool IsForwarded(int signo) {
  switch (signo) {
    case SIGKILL:
    case SIGSTOP:  // cannot be caught
    case SIGCHLD:
    case SIGURG:  // about us, not for the guest
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGTRAP:
    case SIGSYS:
    case SIGABRT:
    case SIGPIPE:
    case SIGTTIN:
    case SIGTTOU:  // of our own doing
      return false;
    default:
      return signo < 32 || signo >= SIGRTMIN;  // glibc keeps 32 and 33
  }
}

void HoldForwardedSignals() {
  const sigset_t set = HeldSignals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

absl::StatusOr<int> WaitInForeground(pid_t monitor) {
  const sigset_t set = HeldSignals();
  ReleaseStartUpMemory();
  for (;;) {
    int status;
    const pid_t ended = waitpid(monitor, &status, WNOHANG);
    if (ended == monitor) return ShellStatus(status);
    if (ended < 0) return HostError(errno, "wait for monitor process %d", monitor);
    siginfo_t info;
    const int signo = sigwaitinfo(&set, &info);
    if (signo > 0 && signo != SIGCHLD) kill(monitor, signo);
  }
}

}  // namespace runsc
