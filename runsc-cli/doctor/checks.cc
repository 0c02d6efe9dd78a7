#include "runsc-cli/doctor/checks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "platform/host/child_process_unsafe.h"
#include "platform/host/seccomp_filter.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/hierarchy.h"

namespace runsc {
namespace {

constexpr int kOldestMajor = 5, kOldestMinor = 4;

Finding Good(std::string subject, std::string observation) {
  return {Severity::kGood, std::move(subject), std::move(observation), ""};
}

std::string Trim(std::string_view text) {
  while (ConsumeSuffix(text, "\n")) {
  }
  return std::string(text);
}

// In a child, which makes them for itself and ends.
int TryNamespaces() {
  const pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) _exit(unshare(static_cast<int>(kHelperNamespaces)) == 0 ? 0 : errno);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

int TrySeccomp() {
  for (const uint32_t action : {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ERRNO}) {
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) return errno;
  }
  return 0;
}

Finding CheckKernel(const Host& host) {
  int major = 0, minor = 0;
  const bool parsed = sscanf(host.release.c_str(), "%d.%d", &major, &minor) == 2;
  if (parsed && (major > kOldestMajor || (major == kOldestMajor && minor >= kOldestMinor)))
    return Good("kernel", host.release);
  return {Severity::kWarning, "kernel", Cat(host.release, " is older than what is tested"),
          Cat("use Linux ", kOldestMajor, ".", kOldestMinor, " or newer")};
}

Finding CheckNamespaces(const Host& host) {
  const int error = host.try_namespaces();
  if (error == 0) return Good("namespaces", "user, mount, pid, network, IPC and UTS namespaces can be made");
  std::string remedy =
      "build the kernel with CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, CONFIG_IPC_NS, CONFIG_UTS_NS";
  if (error == ENOSPC || error == EUSERS || Trim(host.read("/proc/sys/user/max_user_namespaces")) == "0") {
    remedy = "sysctl -w user.max_user_namespaces=15000";
  } else if (Trim(host.read("/proc/sys/kernel/unprivileged_userns_clone")) == "0") {
    remedy = "sysctl -w kernel.unprivileged_userns_clone=1";
  } else if (Trim(host.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")) == "1") {
    remedy =
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for runsc that has userns";
  } else if (error == EPERM) {
    remedy = "run outside of a container whose seccomp profile forbids unshare and clone with namespaces";
  }
  return {Severity::kProblem, "namespaces", strerror(error), remedy};
}

Finding CheckSeccomp(const Host& host) {
  const int error = host.try_seccomp();
  if (error == 0) return Good("seccomp", "the filter actions that sandboxes need are there");
  return {Severity::kProblem, "seccomp", strerror(error), "build the kernel with CONFIG_SECCOMP_FILTER"};
}

Finding CheckPlatform(const Host& host) {
  if (host.has_traps()) return Good("platform", "systrap");
  return {Severity::kWarning, "platform", "ptrace, which is slower: filters of this host cannot trap",
          "use a kernel whose seccomp has the action \"trap\""};
}

// Sandboxes read each other's memory by process_vm_readv, parent and child.
Finding CheckPtraceScope(const Host& host) {
  const std::string scope = Trim(host.read("/proc/sys/kernel/yama/ptrace_scope"));
  if (scope.empty() || scope == "0" || scope == "1") return Good("ptrace_scope", scope.empty() ? "no Yama" : scope);
  if (scope == "2" && host.uid == 0) return Good("ptrace_scope", "2, for root");
  return {Severity::kProblem, "ptrace_scope", Cat(scope, " forbids the sentry to read its guests' memory"),
          "sysctl -w kernel.yama.ptrace_scope=1"};
}

Finding CheckLimit(const Host& host, const std::string& path, std::string_view name, uint64_t enough) {
  const std::string text = Trim(host.read(path));
  const std::optional<uint64_t> value = ParseNumber<uint64_t>(text);
  if (!value || *value >= enough) return Good(std::string(name), text.empty() ? "not there" : text);
  return {Severity::kWarning, std::string(name), Cat(text, " is little for many mappings or processes"),
          Cat("sysctl -w ", name, "=", enough)};
}

Finding CheckCgroups(const Host& host) {
  const auto hierarchies = ParseCgroupHierarchies(host.read("/proc/self/mountinfo"), host.read("/proc/self/cgroup"));
  bool v1 = false, v2 = false;
  for (const CgroupHierarchy& h : hierarchies) (h.unified() ? v2 : v1) = true;
  if (!v1 && !v2) {
    return {Severity::kWarning, "cgroups", "no hierarchy is mounted: containers run without limits only",
            "mount -t cgroup2 none /sys/fs/cgroup, or pass --ignore-cgroups"};
  }
  const bool systemd = host.exists("/run/systemd/system");
  return Good("cgroups", Cat(v1 && v2 ? "hybrid (v1 and v2)"
                             : v1     ? "v1"
                                      : "v2",
                             systemd ? ", with systemd" : ", no systemd: use the cgroupfs driver"));
}

Finding CheckProc(const Host& host) {
  if (host.exists("/proc/self/exe")) return Good("/proc", "mounted");
  return {Severity::kProblem, "/proc", "not mounted", "mount -t proc proc /proc"};
}

// Whether an engine knows this runtime; not to have one is fine.
void CheckClient(const Host& host, const std::string& name, const std::string& file, const std::string& directory,
                 std::vector<Finding>& findings) {
  if (!host.exists(directory)) return;
  if (host.read(file).find("runsc") != std::string::npos) {
    findings.push_back(Good(name, Cat(file, " names runsc")));
  } else {
    findings.push_back({Severity::kWarning, name, Cat(file, " does not name runsc"), "runsc install"});
  }
}

}  // namespace

Host::Host()
    : read([](const std::string& path) {
        const auto text = ReadFileAt(AT_FDCWD, path, 4 << 20);
        return text.ok() ? *text : std::string();
      }),
      exists([](const std::string& path) { return access(path.c_str(), F_OK) == 0; }),
      try_namespaces(TryNamespaces),
      try_seccomp(TrySeccomp),
      has_traps([] { return HostHasFilterAction(SECCOMP_RET_TRAP); }),
      uid(geteuid()) {
  utsname name;
  if (uname(&name) == 0) release = name.release;
}

std::vector<Finding> RunChecks(const Host& host) {
  std::vector<Finding> findings = {
      CheckKernel(host),
      CheckProc(host),
      CheckNamespaces(host),
      CheckSeccomp(host),
      CheckPlatform(host),
      CheckPtraceScope(host),
      CheckCgroups(host),
      CheckLimit(host, "/proc/sys/vm/max_map_count", "vm.max_map_count", 65530),
      CheckLimit(host, "/proc/sys/kernel/pid_max", "kernel.pid_max", 32768),
  };
  CheckClient(host, "docker", "/etc/docker/daemon.json", "/etc/docker", findings);
  CheckClient(host, "containerd", "/etc/containerd/config.toml", "/etc/containerd", findings);
  return findings;
}

}  // namespace runsc
