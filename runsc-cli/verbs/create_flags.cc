// Checks that `create`, `run` and `do` share.
#include "runsc-cli/verbs/create_flags.h"

#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

absl::Status NotYet(std::string_view what) { return absl::UnimplementedError(Cat(what, " is not supported yet")); }

}  // namespace

absl::Status CheckSandboxFlags(const FlagSet& globals) {
  const std::string& platform = globals.GetString("platform");
  if (platform == "kvm") return absl::UnimplementedError("--platform=kvm is not supported yet; use systrap");
  const absl::StatusOr<OverlayOption> overlay = ParseOverlayOption(globals.GetString("overlay2"));
  if (overlay.ok() && overlay->medium == OverlayOption::Medium::kDirectory) return NotYet("--overlay2 with dir=");
  const std::string& network = globals.GetString("network");
  if (network == "plugin") return NotYet("--network=plugin");
  if (globals.IsSet("network") && network == "sandbox") {
    Log::ReportWarning(
        "--network=sandbox is not there yet: the container uses the host's sockets where its network "
        "namespace has links, as with --network=host, else loopback only");
  }
  return absl::OkStatus();
}

absl::Status CheckCreateFlags(const Invocation& invocation) { return CheckSandboxFlags(invocation.globals); }

absl::Status SetCreateOptions(const Invocation& invocation, CreateOptions& options) {
  options.globals = &invocation.globals;
  options.id = invocation.args[0];
  options.pid_file = invocation.flags.GetString("pid-file");
  options.console_socket = invocation.flags.GetString("console-socket");
  options.pidfd_socket = invocation.flags.GetString("pidfd-socket");
  ASSIGN_OR_RETURN(options.inherited_fds,
                   InheritedFds(invocation.flags.GetInt("preserve-fds"), invocation.flags.GetList("pass-fd")));
  return absl::OkStatus();
}

void WarnOfUnapplied(const Spec& spec) {
  // The sandbox confines more than any profile of these could.
  if (!spec.process->apparmor_profile.empty()) Log::ReportWarning("process.apparmorProfile: not applied in a sandbox");
  if (!spec.process->selinux_label.empty()) Log::ReportWarning("process.selinuxLabel: not applied in a sandbox");
  if (!spec.linux_.mount_label.empty()) Log::ReportWarning("linux.mountLabel: not applied in a sandbox");
}

}  // namespace runsc
