#include "runsc-cli/boot/guest_process.h"

#include <signal.h>
#include <sys/resource.h>

#include <cstring>

#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/boot/guest_init.h"
#include "runsc-cli/verbs/verb.h"
#include "sentry/fs/memfd.h"
#include "sentry/fs/proc_magic.h"
#include "sentry/fs/stdio_file.h"
#include "sentry/kernel/container_control.h"
#include "sentry/kernel/pids.h"

namespace runsc {

bool EndsProcessByDefault(int signo) {
  switch (signo) {
    case 0:
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return false;
    default:
      return true;
  }
}

GuestProcess::GuestProcess(MonitorLinks& links, SpecProcess spec, bool keep_net_raw)
    : links_(links), spec_(std::move(spec)), init_(MakeInitProcess(spec_, keep_net_raw)) {
  init_.fds = MakeRef<FdTable>();
}

absl::Status GuestProcess::Make(Kernel& kernel, OutsidePlace place) {
  auto made = OutsideProcess::New(kernel, init_, std::move(place));
  if (!made.ok()) return HostError(made.error().value(), "make a process in the sandbox");
  outside_ = std::move(made).take();
  group_ = RefPtr<ThreadGroup>(&task().thread_group());
  pid_ = PidToGuest(task(), group_->pid());
  return absl::OkStatus();
}

absl::Status GuestProcess::TakeTerminal(UniqueFd host) {
  ASSIGN_OR_RETURN(console_, Console::Open(task(), std::move(host), spec_.user.uid));
  outside_->set_terminal(console_->tty());
  const RefPtr<File> file = console_->OpenStdio(task());
  for (int fd = 0; fd < 3; ++fd) {
    if (!init_.fds->InstallAt(fd, file, false, RLIM_INFINITY).ok()) return absl::InternalError("stdio");
  }
  if (!console_->Start()) return absl::ResourceExhaustedError("cannot start a host thread");
  return absl::OkStatus();
}

absl::Status GuestProcess::TakeProgram(UniqueFd host) {
  const RefPtr<File> file = NewProgramFile(task(), std::move(host));
  const Result<Path> path = MagicPathOf(*file);
  if (!path.ok()) return HostError(path.error().value(), "--exec-fd");
  program_ = *path;
  return absl::OkStatus();
}

absl::Status GuestProcess::TakeInherited(InheritedFd fd) {
  Result<RefPtr<File>> file = NewStdioFile(std::move(fd.host));
  if (!file.ok()) return HostError(file.error().value(), "inherited descriptor %d", fd.number);
  if (init_.fds->InstallAt(fd.number, *file, false, RLIM_INFINITY).ok()) return absl::OkStatus();
  return absl::InternalError(Cat("inherited descriptor ", fd.number));
}

absl::Status GuestProcess::TakeFds(std::vector<UniqueFd> stdio, std::vector<InheritedFd> inherited) {
  if (spec_.terminal) RETURN_IF_ERROR(TakeTerminal(std::move(stdio[0])));
  for (int number = 0; !spec_.terminal && number < static_cast<int>(stdio.size()); ++number) {
    RETURN_IF_ERROR(TakeInherited({number, std::move(stdio[static_cast<size_t>(number)])}));
  }
  UniqueFd program;
  for (InheritedFd& fd : inherited) {
    if (fd.number == kProgramNumber) {
      program = std::move(fd.host);
    } else {
      RETURN_IF_ERROR(TakeInherited(std::move(fd)));
    }
  }
  return program.valid() ? TakeProgram(std::move(program)) : absl::OkStatus();
}

absl::Status GuestProcess::FindProgram(std::string path) {
  if (!path.empty()) {
    init_.path = std::move(path);
    return absl::OkStatus();
  }
  AddHome(task(), init_);
  RETURN_IF_ERROR(CheckArgumentSize(init_, task().rlimit(RLIMIT_STACK)));
  if (program_) return absl::OkStatus();
  ASSIGN_OR_RETURN(init_.path, runsc::FindProgram(task(), init_));
  return absl::OkStatus();
}

void GuestProcess::Attach(UniqueFd link) {
  if (!link.valid()) return;
  link_ = links_.Add(std::move(link), [weak = weak_from_this()](int signo) {
    if (const auto self = weak.lock()) self->OnLink(signo);
  });
}

void GuestProcess::OnLink(int signo) {
  if (signo == SIGWINCH && console_ != nullptr) return console_->Resize();
  const absl::Status sent = Signal(signo == MonitorLinks::kGone ? SIGKILL : signo);
  if (!sent.ok()) LogDebug("signal ", signo, " from a monitor: ", MessageOf(sent));
}

absl::Status GuestProcess::Run() {
  RETURN_IF_ERROR(program_ ? outside_->ExecProgram(init_, *program_) : outside_->Exec(init_));
  program_.reset();
  return outside_->Start([self = shared_from_this()](int wait_status) { self->Ended(wait_status); });
}

absl::Status GuestProcess::Start(std::function<void()> on_end) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (stage_ == Stage::kExited) return absl::FailedPreconditionError("the container has stopped");
    if (stage_ != Stage::kCreated) return absl::FailedPreconditionError("the container was already started");
    stage_ = Stage::kStarting;
    on_end_ = std::move(on_end);
  }
  const absl::Status status = Run();
  outside_.reset();
  init_ = {};
  if (!status.ok()) {
    Ended(kFailureStatus << 8);
    return status;
  }
  std::lock_guard<std::mutex> lock(mu_);
  if (stage_ == Stage::kStarting) stage_ = Stage::kRunning;  // else it has ended already
  changed_.notify_all();
  return status;
}

absl::Status GuestProcess::Signal(int signo) {
  if (signo < 0 || signo > SIGRTMAX) return absl::InvalidArgumentError(Cat("no such signal: ", signo));
  bool ends = false;
  {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait(lock, [this] { return stage_ != Stage::kStarting; });
    if (stage_ == Stage::kExited) return absl::NotFoundError("no such process");
    if (stage_ == Stage::kCreated) {
      if (!EndsProcessByDefault(signo)) return absl::OkStatus();
      stage_ = Stage::kStarting;  // nobody else starts or ends it now
      ends = true;
    }
  }
  if (ends) {
    outside_.reset();
    Ended(signo);
    return absl::OkStatus();
  }
  (void)SignalFromOutside(*group_, signo);
  return absl::OkStatus();
}

void GuestProcess::Ended(int wait_status) {
  if (console_ != nullptr) console_->Drain();
  if (link_ != 0) links_.Finish(link_, wait_status);  // first: the sandbox may end with this process
  std::function<void()> on_end;
  {
    std::lock_guard<std::mutex> lock(mu_);
    stage_ = Stage::kExited;
    wait_status_ = wait_status;
    on_end.swap(on_end_);
    changed_.notify_all();
  }
  if (on_end) on_end();
}

void GuestProcess::AwaitStart() {
  std::unique_lock<std::mutex> lock(mu_);
  changed_.wait(lock, [this] { return stage_ == Stage::kRunning || stage_ == Stage::kExited; });
}

int GuestProcess::Wait() {
  std::unique_lock<std::mutex> lock(mu_);
  changed_.wait(lock, [this] { return stage_ == Stage::kExited; });
  return wait_status_;
}

std::optional<int> GuestProcess::WaitFor(std::optional<int32_t> seconds) {
  if (!seconds) return Wait();
  std::unique_lock<std::mutex> lock(mu_);
  const bool ended =
      changed_.wait_for(lock, std::chrono::seconds(*seconds), [this] { return stage_ == Stage::kExited; });
  return ended ? std::optional<int>(wait_status_) : std::nullopt;
}

ContainerPhase GuestProcess::phase() {
  std::lock_guard<std::mutex> lock(mu_);
  if (stage_ == Stage::kExited) return ContainerPhase::kExited;
  return stage_ == Stage::kRunning ? ContainerPhase::kRunning : ContainerPhase::kCreated;
}

}  // namespace runsc
