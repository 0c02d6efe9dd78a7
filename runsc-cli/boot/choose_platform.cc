// See choose_platform.h.
#include "runsc-cli/boot/choose_platform.h"

#include <linux/seccomp.h>

#include "platform/host/seccomp_filter.h"
#include "platform/host/status_util.h"
#include "platform/ptrace/ptrace_platform.h"
#include "platform/systrap/systrap_platform.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

void LogLine(const char* line) { LogInfo("platform: ", line); }

using OnStubDeath = void (*)(pid_t host_pid);

absl::StatusOr<ChosenPlatform> UseSystrap(const FlagSet& globals, int proc_root, OnStubDeath on_stub_death) {
  if (!HostHasFilterAction(SECCOMP_RET_TRAP)) return absl::UnimplementedError("the host has no seccomp traps");
  ChosenPlatform chosen;
  ASSIGN_OR_RETURN(chosen.platform,
                   NewSystrapPlatform({.patching = !globals.GetBool("systrap-disable-syscall-patching"),
                                       .spin = !globals.GetBool("systrap-disable-fast-path"),
                                       .proc_fd = proc_root,
                                       .log = LogLine,
                                       .on_stub_death = on_stub_death}));
  return chosen;
}

absl::StatusOr<ChosenPlatform> UsePtrace(int proc_root, OnStubDeath on_stub_death) {
  ChosenPlatform chosen;
  chosen.traces_stubs = true;
  ASSIGN_OR_RETURN(chosen.platform,
                   NewPtracePlatform({.proc_fd = proc_root, .log = LogLine, .on_stub_death = on_stub_death}));
  return chosen;
}

}  // namespace

absl::StatusOr<ChosenPlatform> ChoosePlatform(const FlagSet& globals, int proc_root, OnStubDeath on_stub_death) {
  const bool is_asked = globals.IsSet("platform");
  if (is_asked && globals.GetString("platform") == "ptrace") {
    LogInfo("platform: ptrace, as asked");
    return UsePtrace(proc_root, on_stub_death);
  }
  absl::StatusOr<ChosenPlatform> systrap = UseSystrap(globals, proc_root, on_stub_death);
  if (systrap.ok() || is_asked) {
    LogInfo("platform: systrap", is_asked ? ", as asked" : "");
    return systrap;
  }
  LogInfo("platform: ptrace, which is slower, because of systrap: ", MessageOf(systrap.status()));
  return UsePtrace(proc_root, on_stub_death);
}

}  // namespace runsc
