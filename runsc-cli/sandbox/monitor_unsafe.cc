// What runs after the fork is single-threaded, as the command is.
#include "runsc-cli/sandbox/monitor_unsafe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "platform/host/capabilities_unsafe.h"
#include "platform/host/monitor_filter.h"
#include "platform/host/start_up_memory_unsafe.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/control/channel.h"
#include "runsc-cli/sandbox/container_view_unsafe.h"

namespace runsc {
namespace {

constexpr int kLink = 3, kFirstUnused = 4;

// A step of the set-up that failed, for the parent.
struct Failure {
  char step[32];
  int error;
};

[[noreturn]] void Fail(int report, const char* step) {
  Failure failure{{}, errno};
  strncpy(failure.step, step, sizeof(failure.step) - 1);
  (void)send(report, &failure, sizeof(failure), MSG_NOSIGNAL);
  _exit(1);
}

// A step is done; whoever waits for it may be gone.
void Report(int report) {
  const Failure none{};
  if (send(report, &none, sizeof(none), MSG_NOSIGNAL) != sizeof(none)) _exit(1);
}

void EnterNetwork(const MonitorOptions& options, int report) {
  switch (options.network) {
    case MonitorOptions::Network::kCallers:
      return;
    case MonitorOptions::Network::kNew:
      if (unshare(CLONE_NEWNET) == 0) return;
      // Who is not root gets one that belongs to a user namespace of its own.
      if (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) Fail(report, "new network namespace");
      return;
    case MonitorOptions::Network::kPath:
      break;
  }
  const UniqueFd ns(open(options.netns_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!ns.valid()) Fail(report, "open network namespace");
  if (setns(ns.get(), CLONE_NEWNET) != 0) Fail(report, "join network namespace");
}

// Best effort: a monitor without a view serves the container as well.
bool EnterView(const MonitorOptions& options, ContainerView& view) {
  if (geteuid() != 0) return false;
  if (!options.mounts_path.empty()) {
    const UniqueFd mounts(open(options.mounts_path.c_str(), O_RDONLY | O_CLOEXEC));
    if (mounts.valid() && setns(mounts.get(), CLONE_NEWNS) != 0)
      LogDebug("monitor: no view of the container: errno ", errno);
  }
  if (options.view == nullptr) return false;
  const absl::Status entered = view.Enter(*options.view);
  if (!entered.ok()) LogDebug("monitor: no view of the container: ", MessageOf(entered));
  return entered.ok();
}

// The sandbox exists by now, or never will.
void AwaitSandbox(ContainerView* view, int report) {
  int32_t sandbox = 0;
  ssize_t size;
  do {
    size = recv(report, &sandbox, sizeof(sandbox), 0);
  } while (size < 0 && errno == EINTR);
  if (size != sizeof(sandbox) || sandbox <= 0 || view == nullptr) return;
  const absl::Status shown = view->ShowProcesses(sandbox);
  if (!shown.ok()) LogDebug("monitor: ", MessageOf(shown));
}

// "0" is who writes it.
void JoinCgroup(const CgroupEntrance& cgroup, int report) {
  for (const UniqueFd& procs : cgroup.v1_procs) {
    if (write(procs.get(), "0", 1) != 1) Fail(report, "join cgroup");
  }
  if (!cgroup.unified.valid()) return;
  const UniqueFd procs(openat(cgroup.unified.get(), "cgroup.procs", O_WRONLY | O_CLOEXEC));
  if (!procs.valid() || write(procs.get(), "0", 1) != 1) Fail(report, "join cgroup");
}

// Only the link stays; standard streams lead nowhere, so that nobody waits for our end of theirs.
void KeepOnly(int link, int null) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) dup2(null, fd);
  if (link == kLink) {
    fcntl(kLink, F_SETFD, FD_CLOEXEC);
  } else {
    dup3(link, kLink, O_CLOEXEC);
  }
  syscall(SYS_close_range, kFirstUnused, ~0u, 0);
}

// All that can be: whoever signals this process means the guest's.
sigset_t BlockSignals() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  for (int signo = 1; signo < NSIG; ++signo) signal(signo, SIG_DFL);
  return all;
}

// The host sends these to the leader of a session whose terminal hangs up. The sandbox sees that itself.
bool IsHangUp(const signalfd_siginfo& info) {
  return info.ssi_code == SI_KERNEL && (info.ssi_signo == SIGHUP || info.ssi_signo == SIGCONT);
}

void PassOn(const signalfd_siginfo& info) {
  if (IsHangUp(info)) return;
  const int32_t signo = static_cast<int32_t>(info.ssi_signo);
  (void)send(kLink, &signo, sizeof(signo), MSG_NOSIGNAL);
}

// As the guest process ended, so that who waits for us learns of it. The first process of a pid namespace cannot kill
// itself; its status is what a shell would make of the signal.
[[noreturn]] void EndLike(pid_t self, int wait_status) {
  if (!WIFSIGNALED(wait_status)) _exit(WEXITSTATUS(wait_status));
  const int signo = WTERMSIG(wait_status);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signo);
  kill(self, signo);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  _exit(128 + signo);
}

// Until the sandbox says how the process ended, or is gone.
[[noreturn]] void Watch(pid_t self, int signals) {
  pollfd sources[] = {{kLink, POLLIN, 0}, {signals, POLLIN, 0}};
  for (;;) {
    if (poll(sources, 2, -1) < 0) continue;
    if (sources[1].revents & POLLIN) {
      signalfd_siginfo info;
      if (read(signals, &info, sizeof(info)) == sizeof(info)) PassOn(info);
    }
    if (sources[0].revents == 0) continue;
    int32_t wait_status = 0;
    const ssize_t size = recv(kLink, &wait_status, sizeof(wait_status), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    EndLike(self, size == sizeof(wait_status) ? wait_status : SIGKILL);
  }
}

[[noreturn]] void Run(const MonitorOptions& options, int link, int report) {
  const sigset_t signals_set = BlockSignals();
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);  // while it is the host's
  if (null < 0) Fail(report, "open /dev/null");
  if (setsid() < 0) Fail(report, "setsid");
  if (options.terminal >= 0 && ioctl(options.terminal, TIOCSCTTY, 0) != 0) Fail(report, "controlling terminal");
  if (options.cgroup != nullptr) JoinCgroup(*options.cgroup, report);
  EnterNetwork(options, report);
  ContainerView view;
  const bool has_view = EnterView(options, view);
  if (chdir("/") != 0) Fail(report, "chdir");
  const absl::StatusOr<SeccompProgram> filter = CompileFilter(MonitorFilter(getpid()));
  if (!filter.ok()) Fail(report, "compile the filter");
  Report(report);
  AwaitSandbox(has_view ? &view : nullptr, report);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (geteuid() == 0 && !LimitCapabilities(0).ok()) Fail(report, "drop capabilities");
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_NAME, "runsc-monitor");
  prctl(PR_SET_DUMPABLE, 1);  // its namespaces are looked up in /proc
  Report(report);
  KeepOnly(link, null);
  const pid_t self = getpid();
  const int signals = signalfd(-1, &signals_set, SFD_CLOEXEC);
  ReleaseStartUpMemory();
  if (!InstallFilter(*filter).ok()) _exit(1);
  Watch(self, signals);
}

// The first user namespace maps every id to itself; no other can.
bool InFirstUserNamespace() {
  const absl::StatusOr<std::string> map = ReadFileAt(AT_FDCWD, "/proc/self/uid_map", 4096);
  unsigned inner = 1, outer = 1, size = 0;
  return map.ok() && sscanf(map->c_str(), "%u %u %u", &inner, &outer, &size) == 3 && inner == 0 && outer == 0 &&
         size == ~0u;
}

// Who has no rights over the host's processes (podman as an ordinary user) cannot join the host's pid namespace, as
// `podman cp` wants to do with that of this process: it gets one that can be joined.
pid_t ForkMonitor() {
  if (geteuid() != 0 || InFirstUserNamespace()) return fork();
  const long pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  return pid < 0 ? fork() : static_cast<pid_t>(pid);
}

}  // namespace

absl::StatusOr<Monitor> StartMonitor(const MonitorOptions& options) {
  ASSIGN_OR_RETURN(ControlPair link, NewControlPair());
  ASSIGN_OR_RETURN(ControlPair report, NewControlPair());
  const pid_t pid = ForkMonitor();
  if (pid < 0) return HostError(errno, "fork the monitor process");
  if (pid == 0) {
    link.theirs.reset();  // or the sandbox's death would go unnoticed
    report.ours.reset();
    Run(options, link.ours.get(), report.theirs.get());
  }
  return Monitor{pid, std::move(link.theirs), std::move(report.ours)};
}

namespace {

absl::Status ReceiveReport(const Monitor& monitor) {
  Failure failure{};
  ssize_t size;
  do {
    size = recv(monitor.report.get(), &failure, sizeof(failure), 0);
  } while (size < 0 && errno == EINTR);
  if (size != sizeof(failure)) return absl::InternalError("the monitor process ended before it was ready");
  if (failure.step[0] == '\0') return absl::OkStatus();
  return HostError(failure.error, "monitor process: %s", failure.step);
}

}  // namespace

absl::Status AwaitMonitor(Monitor& monitor) {
  if (monitor.in_place) return absl::OkStatus();
  RETURN_IF_ERROR(ReceiveReport(monitor));
  monitor.in_place = true;
  return absl::OkStatus();
}

absl::Status FinishMonitor(Monitor& monitor, pid_t sandbox) {
  RETURN_IF_ERROR(AwaitMonitor(monitor));
  const int32_t number = sandbox;
  // An error shows in the report that does not come.
  (void)send(monitor.report.get(), &number, sizeof(number), MSG_NOSIGNAL);
  const absl::Status finished = ReceiveReport(monitor);
  monitor.report.reset();
  return finished;
}

void EndMonitor(Monitor& monitor) {
  if (monitor.pid <= 0) return;
  kill(monitor.pid, SIGKILL);
  while (waitpid(monitor.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  monitor.pid = -1;
}

}  // namespace runsc
