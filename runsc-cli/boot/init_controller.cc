// Start, signals and exit of the container's init.
#include "runsc-cli/boot/init_controller.h"

#include <signal.h>
#include <unistd.h>

#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/thread_group.h"

namespace runsc {

bool EndsProcessByDefault(int signo) {
  switch (signo) {
    case 0: case SIGCHLD: case SIGCONT: case SIGURG: case SIGWINCH:
    case SIGSTOP: case SIGTSTP: case SIGTTIN: case SIGTTOU:
      return false;
    default:
      return true;
  }
}

absl::Status InitController::Start() {
  std::unique_lock<std::mutex> lock(mu_);
  if (phase_ != Phase_::kCreated) return absl::FailedPreconditionError("the container was already started");
  phase_ = Phase_::kStarting;
  changed_.notify_all();
  changed_.wait(lock, [this] { return phase_ != Phase_::kStarting; });
  return start_result_;
}

Result<void> InitController::Signal(const SignalRequest& request) {
  if (request.signo < 0 || request.signo > SIGRTMAX) return Errno(EINVAL);
  {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait(lock, [this] { return phase_ != Phase_::kStarting; });
    if (phase_ == Phase_::kExited) return Errno(ESRCH);
    if (phase_ == Phase_::kCreated) {
      if (request.pid != 1 && !request.all) return Errno(ESRCH);
      if (EndsProcessByDefault(request.signo)) early_signal_ = request.signo;
      changed_.notify_all();
      return {};
    }
  }
  return kernel_.SendExternalSignal(request.pid, request.signo, request.all != 0);
}

int InitController::WaitForInit() {
  std::unique_lock<std::mutex> lock(mu_);
  changed_.wait(lock, [this] { return phase_ == Phase_::kExited; });
  return wait_status_;
}

SandboxPhase InitController::Phase() {
  std::unique_lock<std::mutex> lock(mu_);
  if (phase_ == Phase_::kExited) return SandboxPhase::kExited;
  return phase_ == Phase_::kRunning ? SandboxPhase::kRunning : SandboxPhase::kCreated;
}

std::vector<int32_t> InitController::Processes() {
  std::vector<int32_t> pids;
  for (const RefPtr<ThreadGroup>& group : kernel_.ThreadGroups()) pids.push_back(group->pid());
  return pids;
}

bool InitController::AwaitStart(const ControlChannel& sync) {
  const absl::Status sent = sync.Send({ControlType::kReady, 0, {}});
  const absl::StatusOr<ControlMessage> commit = sync.Receive();
  if (!sent.ok() || !commit.ok() || commit->type != ControlType::kCommit) {
    LogInfo("the command that created this sandbox is gone");
    _exit(128);
  }
  const std::optional<CommitRequest> request = commit->As<CommitRequest>();
  std::unique_lock<std::mutex> lock(mu_);
  if (request && request->start_now != 0) {
    start_now_ = true;
    phase_ = Phase_::kStarting;
  }
  changed_.wait(lock, [this] { return phase_ == Phase_::kStarting || early_signal_ != 0; });
  return phase_ == Phase_::kStarting;
}

void InitController::Started(const absl::Status& result, ControlChannel sync) {
  std::unique_lock<std::mutex> lock(mu_);
  start_result_ = result;
  phase_ = result.ok() ? Phase_::kRunning : Phase_::kExited;
  changed_.notify_all();
  if (!start_now_) return;
  const int error = result.ok() ? 0 : static_cast<int>(EIO);
  sync.Send({ControlType::kCommit, error, MessageOf(result)}).IgnoreError();  // the command may be gone
}

void InitController::Exited(int wait_status) {
  std::unique_lock<std::mutex> lock(mu_);
  wait_status_ = wait_status;
  phase_ = Phase_::kExited;
  changed_.notify_all();
}

int InitController::early_signal() {
  std::unique_lock<std::mutex> lock(mu_);
  return early_signal_;
}

}  // namespace runsc
