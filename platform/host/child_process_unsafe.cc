// Starts helper processes: this binary again, in new namespaces, with only what it is given.
#include "platform/host/child_process_unsafe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "platform/host/child_setup_unsafe.h"
#include "platform/host/forked_program_unsafe.h"
#include "platform/host/status_util.h"

namespace runsc {
namespace {

struct Pipe {
  UniqueFd read, write;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return HostError(errno, "pipe2");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& s : strings) pointers.push_back(const_cast<char*>(s.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// The mappings in order of target, with `null_fd` for the standard streams not given.
absl::StatusOr<std::vector<ChildPlan::Fd>> PlanFds(const SpawnOptions& options, int null_fd) {
  std::vector<ChildPlan::Fd> fds;
  for (const FdMapping& m : options.fds) fds.push_back({m.fd, m.target, -1});
  for (int target : {0, 1, 2}) {
    bool given = std::any_of(fds.begin(), fds.end(), [&](auto& fd) { return fd.target == target; });
    if (!given) fds.push_back({null_fd, target, -1});
  }
  std::sort(fds.begin(), fds.end(), [](auto& a, auto& b) { return a.target < b.target; });
  for (size_t i = 0; i < fds.size(); i++) {
    bool twice = i > 0 && fds[i].target == fds[i - 1].target;
    if (fds[i].source < 0 || fds[i].target < 0 || twice) {
      return absl::InvalidArgumentError("SpawnSelf: bad descriptor mapping");
    }
  }
  return fds;
}

absl::Status WriteProcFile(pid_t pid, const char* file, const std::string& text) {
  std::string path = absl::StrCat("/proc/", pid, "/", file);
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return HostError(errno, "open %s", path.c_str());
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return HostError(errno, "write \"%s\" to %s", text.c_str(), path.c_str());
  }
  return absl::OkStatus();
}

std::string MapText(const std::vector<IdMapping>& map) {
  std::string text;
  for (const IdMapping& m : map) {
    absl::StrAppend(&text, m.inside, " ", m.outside, " ", m.count, "\n");
  }
  return text;
}

absl::Status WriteIdMaps(pid_t pid, const SpawnOptions& options) {
  if ((options.namespaces & CLONE_NEWUSER) == 0) return absl::OkStatus();
  RETURN_IF_ERROR(WriteProcFile(pid, "uid_map", MapText(options.uid_map)));
  if (geteuid() != 0) RETURN_IF_ERROR(WriteProcFile(pid, "setgroups", "deny"));
  return WriteProcFile(pid, "gid_map", MapText(options.gid_map));
}

absl::Status JoinCgroups(pid_t pid, const SpawnOptions& options) {
  const std::string text = absl::StrCat(pid);
  for (int procs : options.cgroup_procs) {
    if (write(procs, text.data(), text.size()) < 0) return HostError(errno, "move process %d to its cgroup", pid);
  }
  return absl::OkStatus();
}

// fork in new namespaces, but for the network's: the child makes that itself. Without clone3 or pidfd: plain clone,
// and no pidfd. The child's thread number goes to `thread_number`, unless that is null.
pid_t CloneProcess(const SpawnOptions& options, int* thread_number, int* pidfd) {
  uint64_t flags = options.namespaces & ~uint64_t{CLONE_NEWNET};
  if (thread_number != nullptr) flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  clone_args args{};
  args.flags = flags | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(pidfd);
  args.child_tid = reinterpret_cast<uint64_t>(thread_number);
  args.exit_signal = SIGCHLD;
  if (options.join_cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(options.join_cgroup);
  }
  long pid = syscall(SYS_clone3, &args, sizeof(args));
  if (pid < 0 && errno == ENOSYS && options.join_cgroup < 0) {
    pid = syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, thread_number, nullptr);
  }
  return static_cast<pid_t>(pid);
}

// A refusal to make namespaces has few causes, and the operator can do something about each.
absl::Status CloneError(int error, const SpawnOptions& options) {
  absl::Status status =
      HostError(error, "clone with new namespaces (flags 0x%llx)", static_cast<unsigned long long>(options.namespaces));
  if ((options.namespaces & CLONE_NEWUSER) == 0) return status;
  const char* hint = nullptr;
  if (error == ENOSPC || error == EUSERS)
    hint = "no more user namespaces (sysctl user.max_user_namespaces is exhausted or 0)";
  if (error == EINVAL) hint = "the host kernel has no user namespaces (CONFIG_USER_NS)";
  if (error == EPERM) {
    hint =
        "the host forbids user namespaces (sysctl kernel.unprivileged_userns_clone, "
        "kernel.apparmor_restrict_unprivileged_userns, or a seccomp filter around us)";
  }
  if (hint == nullptr) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), ": ", hint));
}

int Reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// The ids of the caller's own user namespace, each as itself.
std::vector<IdMapping> IdentityMap(const char* proc_file) {
  std::vector<IdMapping> map;
  FILE* file = fopen(proc_file, "re");
  unsigned inside, outside, count;
  while (file != nullptr && fscanf(file, "%u %u %u", &inside, &outside, &count) == 3) {
    map.push_back({inside, inside, count});
  }
  if (file != nullptr) fclose(file);
  if (map.empty()) map.push_back({0, 0, 1});
  return map;
}

std::vector<IdMapping> NobodyMap(const char* proc_file) {
  constexpr uint32_t kNobody = 65534;
  for (const IdMapping& m : IdentityMap(proc_file)) {
    if (kNobody - m.inside < m.count) return {{0, kNobody, 1}};
  }
  return {{0, 0, 1}};
}

}  // namespace

absl::StatusOr<SpawnedProcess> SpawnSelf(const SpawnOptions& options) {
  UniqueFd exe(open("/proc/self/exe", O_PATH | O_CLOEXEC));
  if (!exe.valid()) return HostError(errno, "open /proc/self/exe");
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return HostError(errno, "open /dev/null");
  ASSIGN_OR_RETURN(auto fds, PlanFds(options, null.get()));
  ASSIGN_OR_RETURN(Pipe go, MakePipe());
  ASSIGN_OR_RETURN(Pipe status, MakePipe());
  int* const thread_number = options.fork ? ThreadNumberForFork() : nullptr;
  std::vector<char*> argv = Pointers(options.argv), envp = Pointers(options.env);
  ChildPlan plan{.fds = fds.data(),
                 .fd_count = fds.size(),
                 .lowest_free = fds.back().target + 1,
                 .argv = argv.data(),
                 .envp = envp.data(),
                 .exe_fd = exe.get(),
                 .fork = thread_number != nullptr,
                 .go_fd = go.read.get(),
                 .status_fd = status.write.get(),
                 .new_network = (options.namespaces & CLONE_NEWNET) != 0,
                 .set_ids = (options.namespaces & CLONE_NEWUSER) != 0,
                 .uid = options.uid,
                 .gid = options.gid,
                 .new_session = options.new_session,
                 .parent_death_signal = options.parent_death_signal};
  int pidfd = -1;
  pid_t pid = CloneProcess(options, thread_number, &pidfd);
  if (pid < 0) return CloneError(errno, options);
  if (pid == 0) {
    close(go.write.get());  // else the child would keep its own wait alive
    close(status.read.get());
    RunChild(plan);
  }
  SpawnedProcess process{pid, UniqueFd(pidfd), std::move(status.read)};
  absl::Status prepared = JoinCgroups(pid, options);
  if (prepared.ok()) prepared = WriteIdMaps(pid, options);
  if (prepared.ok() && write(go.write.get(), "", 1) != 1) prepared = HostError(errno, "start child");
  if (!prepared.ok()) {
    KillAndReap(process);
    return prepared;
  }
  return process;
}

absl::Status AwaitExec(SpawnedProcess& process) {
  ChildFailure failure{};
  ssize_t n;
  do {
    n = read(process.exec_status.get(), &failure, sizeof(failure));
  } while (n < 0 && errno == EINTR);
  process.exec_status.reset();
  if (n == 0) return absl::OkStatus();
  Reap(process.pid);
  process.pid = -1;
  if (n != static_cast<ssize_t>(sizeof(failure))) return absl::InternalError("child setup failed");
  return HostError(failure.error, "start child process: %s", ChildStepName(failure.step));
}

void KillAndReap(SpawnedProcess& process) {
  if (process.pid <= 0) return;
  kill(process.pid, SIGKILL);
  Reap(process.pid);
  process.pid = -1;
}

std::vector<IdMapping> GoferUidMap() {
  if (geteuid() != 0) return {{0, geteuid(), 1}};
  return IdentityMap("/proc/self/uid_map");
}
std::vector<IdMapping> GoferGidMap() {
  if (geteuid() != 0) return {{0, getegid(), 1}};
  return IdentityMap("/proc/self/gid_map");
}
std::vector<IdMapping> SentryUidMap() {
  if (geteuid() != 0) return {{0, geteuid(), 1}};
  return NobodyMap("/proc/self/uid_map");
}
std::vector<IdMapping> SentryGidMap() {
  if (geteuid() != 0) return {{0, getegid(), 1}};
  return NobodyMap("/proc/self/gid_map");
}

}  // namespace runsc
