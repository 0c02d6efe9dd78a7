#include "runsc-cli/doctor/checks.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <map>

namespace runsc {
namespace {

// A host where all is well.
struct FakeHost {
  std::map<std::string, std::string> files = {
      {"/proc/sys/user/max_user_namespaces", "15000\n"},
      {"/proc/self/mountinfo", "1 1 0:1 / /sys/fs/cgroup rw - cgroup2 none rw\n"},
      {"/proc/self/cgroup", "0::/\n"},
      {"/proc/self/exe", ""},
      {"/proc/sys/vm/max_map_count", "65530\n"}};
  int namespaces = 0, seccomp = 0;
  bool traps = true;
  std::string release = "6.1.0-13-amd64";

  std::vector<Finding> Check() {
    Host host;
    host.read = [this](const std::string& path) { return files.contains(path) ? files[path] : ""; };
    host.exists = [this](const std::string& path) { return files.contains(path); };
    host.try_namespaces = [this] { return namespaces; };
    host.try_seccomp = [this] { return seccomp; };
    host.has_traps = [this] { return traps; };
    host.release = release;
    host.uid = 1000;
    return RunChecks(host);
  }
  Finding On(std::string_view subject) {
    for (const Finding& finding : Check()) {
      if (finding.subject == subject) return finding;
    }
    ADD_FAILURE() << "nothing said of " << subject;
    return {};
  }
};

TEST(Doctor, FindsNothingOnAGoodHost) {
  for (const Finding& finding : FakeHost().Check()) {
    EXPECT_EQ(finding.severity, Severity::kGood) << finding.subject;
    EXPECT_EQ(finding.remedy, "");
  }
}

TEST(Doctor, ExplainsMissingNamespaces) {
  FakeHost host;
  host.namespaces = ENOSPC;
  EXPECT_EQ(host.On("namespaces").severity, Severity::kProblem);
  EXPECT_EQ(host.On("namespaces").remedy, "sysctl -w user.max_user_namespaces=15000");
  host.namespaces = EPERM;
  host.files["/proc/sys/kernel/unprivileged_userns_clone"] = "0\n";
  EXPECT_EQ(host.On("namespaces").remedy, "sysctl -w kernel.unprivileged_userns_clone=1");
}

TEST(Doctor, NamesTheEngine) {
  FakeHost host;
  EXPECT_EQ(host.On("platform").observation, "systrap");
  host.traps = false;
  EXPECT_EQ(host.On("platform").severity, Severity::kWarning);
}

TEST(Doctor, FindsPtraceScopes) {
  FakeHost host;
  host.files["/proc/sys/kernel/yama/ptrace_scope"] = "1\n";
  EXPECT_EQ(host.On("ptrace_scope").severity, Severity::kGood);
  host.files["/proc/sys/kernel/yama/ptrace_scope"] = "3\n";
  EXPECT_EQ(host.On("ptrace_scope").severity, Severity::kProblem);
}

TEST(Doctor, WarnsOfOldKernelsAndMissingCgroups) {
  FakeHost host;
  host.release = "4.19.0";
  host.files["/proc/self/mountinfo"] = "";
  EXPECT_EQ(host.On("kernel").severity, Severity::kWarning);
  EXPECT_EQ(host.On("cgroups").severity, Severity::kWarning);
}

TEST(Doctor, LooksAtClientsThatAreThere) {
  FakeHost host;
  host.files["/etc/docker"] = "";
  host.files["/etc/docker/daemon.json"] = "{}";
  EXPECT_EQ(host.On("docker").remedy, "runsc install");
  host.files["/etc/docker/daemon.json"] = R"({"runtimes": {"runsc": {"path": "/usr/bin/runsc"}}})";
  EXPECT_EQ(host.On("docker").severity, Severity::kGood);
}

}  // namespace
}  // namespace runsc
