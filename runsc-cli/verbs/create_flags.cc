// Checks that `create`, `run` and `do` share.
#include "runsc-cli/verbs/create_flags.h"

#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

absl::Status NotYet(std::string_view what) {
  return absl::UnimplementedError(Cat(what, " is not supported yet"));
}

bool HasHooks(const SpecHooks& hooks) {
  return !hooks.prestart.empty() || !hooks.create_runtime.empty() || !hooks.create_container.empty() ||
         !hooks.start_container.empty() || !hooks.poststart.empty() || !hooks.poststop.empty();
}

}  // namespace

absl::Status CheckSandboxFlags(const FlagSet& globals) {
  const std::string& platform = globals.GetString("platform");
  if (platform != "systrap") return NotYet(Cat("--platform=", platform));
  const absl::StatusOr<OverlayOption> overlay = ParseOverlayOption(globals.GetString("overlay2"));
  if (overlay.ok() && overlay->medium == OverlayOption::Medium::kDirectory) return NotYet("--overlay2 with dir=");
  const std::string& network = globals.GetString("network");
  if (network == "plugin") return NotYet("--network=plugin");
  if (globals.IsSet("network") && network == "sandbox") {
    Log::ReportWarning("--network=sandbox is not there yet: the container uses the host's sockets where its network "
                       "namespace has links, as with --network=host, else loopback only");
  }
  return absl::OkStatus();
}

absl::Status CheckCreateFlags(const Invocation& invocation) {
  return CheckSandboxFlags(invocation.globals);
}

void SetCreateOptions(const Invocation& invocation, CreateOptions& options) {
  options.globals = &invocation.globals;
  options.id = invocation.args[0];
  options.pid_file = invocation.flags.GetString("pid-file");
  options.console_socket = invocation.flags.GetString("console-socket");
  options.pidfd_socket = invocation.flags.GetString("pidfd-socket");
  options.preserved_fds = static_cast<int>(invocation.flags.GetInt("preserve-fds"));
}

void LogUnsupported(const Spec& spec, const MountPlan& plan) {
  for (const std::string& skipped : plan.skipped) LogInfo(skipped);
  if (HasHooks(spec.hooks)) Log::ReportWarning("hooks: not run yet");
  if (spec.linux_.has_seccomp) LogInfo("linux.seccomp: not applied inside the guest yet");
  if (!spec.linux_.sysctl.empty()) LogInfo("linux.sysctl: not applied yet");
  if (!spec.linux_.devices.empty()) LogInfo("linux.devices: only the sandbox's own devices exist");
  if (!spec.linux_.cgroups_path.empty()) LogInfo("linux.cgroupsPath: no cgroup is made yet");
  if (!spec.process->apparmor_profile.empty()) LogInfo("process.apparmorProfile: not applied");
  if (!spec.process->selinux_label.empty()) LogInfo("process.selinuxLabel: not applied");
  if (!spec.linux_.masked_paths.empty() || !spec.linux_.readonly_paths.empty()) {
    LogInfo("linux.maskedPaths and readonlyPaths: the guest's own /proc and /sys need none");
  }
}

}  // namespace runsc
