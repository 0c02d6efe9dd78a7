// The foreground loop of `run` and `do`.
#include "runsc-cli/sandbox/foreground.h"

#include <errno.h>
#include <sys/wait.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/control/channel.h"

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

void Forward(int state_directory, int signo) {
  absl::StatusOr<ControlChannel> channel = ConnectControlSocket(state_directory);
  absl::Status sent = channel.status();
  if (sent.ok()) {
    sent = channel->Call(ControlType::kSignal, ControlBody(SignalRequest{1, signo, 0})).status();
  }
  if (!sent.ok()) LogDebug("signal ", signo, " not forwarded: ", MessageOf(sent));
}

// The sentry itself always exits; it being killed is news.
int ShellStatus(int wait_status) {
  if (WIFEXITED(wait_status)) return WEXITSTATUS(wait_status);
  Log::ReportError(Cat("the sandbox process was killed by signal ", WTERMSIG(wait_status)));
  return 128 + WTERMSIG(wait_status);
}

}  // namespace

bool IsForwarded(int signo) {
  switch (signo) {
    case SIGKILL: case SIGSTOP:                       // cannot be caught
    case SIGCHLD: case SIGURG:                        // about us, not for the guest
    case SIGSEGV: case SIGBUS: case SIGILL: case SIGFPE: case SIGTRAP: case SIGSYS: case SIGABRT:
    case SIGPIPE: case SIGTTIN: case SIGTTOU:         // of our own doing
      return false;
    default:
      return signo < 32 || signo >= SIGRTMIN;         // glibc keeps 32 and 33
  }
}

void HoldForwardedSignals() {
  const sigset_t set = HeldSignals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

absl::StatusOr<int> WaitInForeground(Sandbox& sandbox, int state_directory) {
  const sigset_t set = HeldSignals();
  for (;;) {
    int status;
    const pid_t ended = waitpid(sandbox.pid(), &status, WNOHANG);
    if (ended == sandbox.pid()) return ShellStatus(status);
    if (ended < 0) return HostError(errno, "wait for sandbox process %d", sandbox.pid());
    siginfo_t info;
    const int signo = sigwaitinfo(&set, &info);
    if (signo > 0 && signo != SIGCHLD) Forward(state_directory, signo);
  }
}

}  // namespace runsc
