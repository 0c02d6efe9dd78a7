// What a new process does between clone and exec, or what stands in for that.
#include "platform/host/child_setup_unsafe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/host/forked_program_unsafe.h"

namespace runsc {
namespace {

constexpr int kSetupFailed = 126;

[[noreturn]] void Fail(const ChildPlan& plan, ChildStep step) {
  ChildFailure failure{step, errno};
  (void)!write(plan.status_fd, &failure, sizeof(failure));
  _exit(kSetupFailed);
}

void Check(const ChildPlan& plan, bool ok, ChildStep step) {
  if (!ok) Fail(plan, step);
}

void WaitForParent(const ChildPlan& plan) {
  char go;
  ssize_t n;
  do {
    n = read(plan.go_fd, &go, 1);
  } while (n < 0 && errno == EINTR);
  if (n == 0) _exit(kSetupFailed);  // the parent gave up or is gone
  Check(plan, n == 1, ChildStep::kWaitForParent);
}

// Raw calls: glibc's setresuid would signal all threads, of which it thinks there are the parent's.
void TakeIds(const ChildPlan& plan) {
  if (!plan.set_ids) return;
  // EPERM: an unprivileged parent had to forbid setgroups; then there are no groups to lose but ours.
  bool groups = syscall(SYS_setgroups, 0, nullptr) == 0 || errno == EPERM;
  Check(plan, groups, ChildStep::kGroups);
  Check(plan, syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid) == 0, ChildStep::kIds);
  Check(plan, syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid) == 0, ChildStep::kIds);
}

void ResetSignals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int signo = 1; signo < NSIG; signo++) sigaction(signo, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void DieWithParent(const ChildPlan& plan) {
  if (plan.parent_death_signal == 0) return;
  bool set = prctl(PR_SET_PDEATHSIG, plan.parent_death_signal) == 0;
  Check(plan, set, ChildStep::kDeathSignal);
  pollfd status{.fd = plan.status_fd};  // broken if the parent died before the prctl
  if (poll(&status, 1, 0) == 1 && (status.revents & POLLERR) != 0) _exit(kSetupFailed);
}

// Keeps [first, last] from the program: at once in a fork, else at exec.
bool CloseRange(const ChildPlan& plan, unsigned first, unsigned last) {
  if (first > last) return true;
  if (syscall(SYS_close_range, first, last, plan.fork ? 0 : CLOSE_RANGE_CLOEXEC) == 0) return true;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  for (unsigned n = first; n <= last && n < limit.rlim_cur; n++) {
    const int fd = static_cast<int>(n);
    if (plan.fork) {
      close(fd);
    } else {
      fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  }
  return true;
}

// Two passes, as a target number may be the source of another mapping.
void PlaceFds(ChildPlan& plan) {
  int* own[] = {&plan.exe_fd, &plan.status_fd};
  for (int* fd : own) {
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, plan.lowest_free);
    Check(plan, moved >= 0, ChildStep::kStageFds);
    *fd = moved;
  }
  for (size_t i = 0; i < plan.fd_count; i++) {
    ChildPlan::Fd& fd = plan.fds[i];
    fd.staged = fcntl(fd.source, F_DUPFD_CLOEXEC, plan.lowest_free);
    Check(plan, fd.staged >= 0, ChildStep::kStageFds);
  }
  unsigned next = 0;
  for (size_t i = 0; i < plan.fd_count; i++) {
    const ChildPlan::Fd& fd = plan.fds[i];
    auto target = static_cast<unsigned>(fd.target);
    Check(plan, dup2(fd.staged, fd.target) >= 0, ChildStep::kPlaceFds);
    Check(plan, target == 0 || CloseRange(plan, next, target - 1), ChildStep::kCloseFds);
    next = target + 1;
  }
  Check(plan, CloseRange(plan, next, ~0u), ChildStep::kCloseFds);
}

// Guests set their own memory limits, within none of ours; what is in force stays. Without the right to
// raise them, the caller's hard limits hold for guests too.
void OpenHardLimits() {
  constexpr __rlimit_resource_t kMemory[] = {RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK};
  for (auto resource : kMemory) {
    rlimit limit{};
    if (getrlimit(resource, &limit) != 0) continue;
    limit.rlim_max = RLIM_INFINITY;
    setrlimit(resource, &limit);
  }
  // A guest thread that was made nice may come back to where all began, not beyond.
  constexpr int kHighest = 20;
  const rlim_t start = static_cast<rlim_t>(kHighest - getpriority(PRIO_PROCESS, 0));
  rlimit nice{};
  if (getrlimit(RLIMIT_NICE, &nice) != 0 || nice.rlim_cur >= start) return;
  nice.rlim_cur = start;
  nice.rlim_max = nice.rlim_max < start ? start : nice.rlim_max;
  setrlimit(RLIMIT_NICE, &nice);
}

}  // namespace

const char* ChildStepName(ChildStep step) {
  switch (step) {
    case ChildStep::kNetwork:
      return "make a network namespace (sysctl user.max_net_namespaces)";
    case ChildStep::kWaitForParent:
      return "wait for the parent";
    case ChildStep::kSession:
      return "setsid";
    case ChildStep::kGroups:
      return "setgroups";
    case ChildStep::kIds:
      return "setresuid/setresgid";
    case ChildStep::kLimits:
      return "setrlimit RLIMIT_CORE";
    case ChildStep::kNoNewPrivs:
      return "prctl PR_SET_NO_NEW_PRIVS";
    case ChildStep::kDeathSignal:
      return "prctl PR_SET_PDEATHSIG";
    case ChildStep::kStageFds:
      return "duplicate descriptors";
    case ChildStep::kPlaceFds:
      return "place descriptors";
    case ChildStep::kCloseFds:
      return "close other descriptors";
    case ChildStep::kExec:
      return "execute /proc/self/exe";
  }
  return "unknown step";
}

void RunChild(ChildPlan& plan) {
  Check(plan, !plan.new_network || unshare(CLONE_NEWNET) == 0, ChildStep::kNetwork);
  WaitForParent(plan);
  OpenHardLimits();
  Check(plan, !plan.new_session || setsid() >= 0, ChildStep::kSession);
  TakeIds(plan);
  ResetSignals();
  umask(0);
  rlimit no_core{0, 0};
  Check(plan, setrlimit(RLIMIT_CORE, &no_core) == 0, ChildStep::kLimits);
  Check(plan, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, ChildStep::kNoNewPrivs);
  DieWithParent(plan);
  PlaceFds(plan);
  if (plan.fork) {
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // as after exec: new ids made its files in /proc the host root's
    RunForkedProgram(plan.argv);
  }
  syscall(SYS_execveat, plan.exe_fd, "", plan.argv, plan.envp, AT_EMPTY_PATH);
  Fail(plan, ChildStep::kExec);
}

}  // namespace runsc
