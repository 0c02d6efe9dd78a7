// Runs hooks.
#include "runsc-cli/hooks/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr size_t kMaxOutput = 4096;  // of a hook, in an error

int64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1'000'000;
}

// A file, not a pipe: a hook that does not read its input cannot block us.
absl::StatusOr<UniqueFd> StateFile(const std::string& text) {
  UniqueFd fd(memfd_create("state.json", MFD_CLOEXEC));
  if (!fd.valid()) return HostError(errno, "create memory file");
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return HostError(errno, "write memory file");
  }
  lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

// What the child needs; after fork it makes nothing but system calls.
struct HookPlan {
  const char* path;
  char* const* argv;
  char* const* envp;
  const char* directory;
  int network;  // namespace to enter, or -1
  int input, output;
};

[[noreturn]] void ExecHook(const HookPlan& plan) {
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const bool entered = plan.network < 0 || setns(plan.network, CLONE_NEWNET) == 0;
  const bool placed = entered && chdir(plan.directory) == 0 && dup2(plan.input, 0) == 0 && dup2(plan.output, 1) == 1 &&
                      dup2(plan.output, 2) == 2 && syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
  if (placed) execve(plan.path, plan.argv, plan.envp);
  const std::string problem = Cat(!entered ? "enter the network namespace"
                                  : placed ? "execute"
                                           : "prepare",
                                  ": ", strerror(errno));
  (void)!write(2, problem.data(), problem.size());
  _exit(127);
}

// One hook that runs.
class RunningHook {
 public:
  RunningHook(pid_t pid, UniqueFd output) : pid_(pid), output_(std::move(output)) {
    pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  }

  absl::Status Await(const std::optional<int32_t>& timeout_seconds) {
    const int64_t deadline = timeout_seconds ? NowMs() + *timeout_seconds * 1000LL : INT64_MAX;
    bool ended = false;
    while (!ended && NowMs() < deadline) ended = Step(deadline);
    if (!ended) kill(-pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    ReadOutput();
    if (!ended) return absl::DeadlineExceededError(Cat("did not end within ", *timeout_seconds, " s and was killed"));
    return Result(status);
  }

 private:
  // Waits for output or the end; whether it was the end. A child of the hook may hold the pipe longer.
  bool Step(int64_t deadline) {
    constexpr int64_t kLongest = 3'600'000;
    pollfd fds[] = {{pidfd_.get(), POLLIN, 0}, {output_.get(), POLLIN, 0}};
    if (poll(fds, 2, static_cast<int>(std::clamp<int64_t>(deadline - NowMs(), 0, kLongest))) <= 0) return false;
    if (fds[1].revents & POLLIN) ReadOutput();
    if (fds[1].revents & POLLHUP) output_.reset();
    return fds[0].revents != 0;
  }

  void ReadOutput() {
    char buffer[1024];
    ssize_t n;
    while ((n = read(output_.get(), buffer, sizeof(buffer))) > 0) {
      text_.append(buffer, std::min<size_t>(static_cast<size_t>(n), kMaxOutput - text_.size()));
    }
  }

  absl::Status Result(int status) const {
    if (status == 0) return absl::OkStatus();
    const std::string how =
        WIFSIGNALED(status) ? Cat("killed by signal ", WTERMSIG(status)) : Cat("exit status ", WEXITSTATUS(status));
    std::string_view text = text_;
    while (ConsumeSuffix(text, "\n")) {
    }
    std::string line(text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    return absl::AbortedError(Cat(how, line.empty() ? "" : ", output: ", line));
  }

  pid_t pid_;
  UniqueFd pidfd_, output_;
  std::string text_;
};

absl::StatusOr<UniqueFd> OpenNetwork(const std::string& path) {
  if (path.empty()) return UniqueFd();
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return HostError(errno, "network namespace %s", path.c_str());
  return fd;
}

absl::Status RunHook(const SpecHook& hook, const HookPlace& place) {
  ASSIGN_OR_RETURN(const UniqueFd state, StateFile(place.state_json));
  ASSIGN_OR_RETURN(const UniqueFd network, OpenNetwork(place.network));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return HostError(errno, "pipe");
  UniqueFd ours(ends[0]), theirs(ends[1]);
  fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  const std::vector<std::string> fallback = {hook.path};
  const std::vector<char*> argv = Pointers(hook.args.empty() ? fallback : hook.args), envp = Pointers(hook.env);
  const HookPlan plan = {hook.path.c_str(), argv.data(), envp.data(), place.directory.c_str(),
                         network.get(),     state.get(), theirs.get()};
  const pid_t pid = fork();
  if (pid < 0) return HostError(errno, "fork");
  if (pid == 0) ExecHook(plan);
  theirs.reset();
  return RunningHook(pid, std::move(ours)).Await(hook.timeout_seconds);
}

std::string Describe(std::string_view kind, size_t index, const SpecHook& hook, const absl::Status& status) {
  return Cat("hooks.", kind, "[", index, "] ", hook.path, ": ", MessageOf(status));
}

}  // namespace

absl::Status RunHooks(std::string_view kind, const std::vector<SpecHook>& hooks, const HookPlace& place) {
  for (size_t i = 0; i < hooks.size(); ++i) {
    const absl::Status status = RunHook(hooks[i], place);
    if (!status.ok()) return absl::Status(status.code(), Describe(kind, i, hooks[i], status));
  }
  return absl::OkStatus();
}

void RunHooksTolerantly(std::string_view kind, const std::vector<SpecHook>& hooks, const HookPlace& place) {
  for (size_t i = 0; i < hooks.size(); ++i) {
    const absl::Status status = RunHook(hooks[i], place);
    if (!status.ok()) Log::ReportWarning(Describe(kind, i, hooks[i], status));
  }
}

absl::Status HookMounts::Enter() {
  host_.reset(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
  cwd_.reset(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!host_.valid()) return HostError(errno, "open /proc/self/ns/mnt");
  if (unshare(CLONE_NEWNS) != 0) {
    host_.reset();
    return HostError(errno, "make a mount namespace for createContainer hooks");
  }
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0) return absl::OkStatus();
  return HostError(errno, "keep mounts of createContainer hooks from the host");
}

void HookMounts::Leave() {
  if (!host_.valid()) return;
  if (setns(host_.get(), CLONE_NEWNS) != 0) Log::ReportWarning(Cat("leave the hooks' mount namespace: errno ", errno));
  if (cwd_.valid()) (void)!fchdir(cwd_.get());
  host_.reset();
}

}  // namespace runsc
