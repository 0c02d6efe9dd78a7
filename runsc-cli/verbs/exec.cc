// runsc exec: runs another process in a container.
#include <fcntl.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/exec_process.h"
#include "runsc-cli/oci/validate.h"
#include "runsc-cli/sandbox/exec.h"
#include "runsc-cli/sandbox/foreground.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"process", FlagKind::kString, "", "", "file with the process, as in config.json", "p"},
    {"detach", FlagKind::kBool, "false", "", "do not wait for the process", "d"},
    {"tty", FlagKind::kBool, "false", "", "give it a terminal", "t"},
    {"pid-file", FlagKind::kString, "", "", "file that gets the process' host pid"},
    {"internal-pid-file", FlagKind::kString, "", "", "file that gets its pid in the container"},
    {"console-socket", FlagKind::kString, "", "", "socket that gets the terminal"},
    {"cwd", FlagKind::kString, "", "", "working directory"},
    {"env", FlagKind::kList, "", "", "NAME=value: added to the container's environment", "e"},
    {"user", FlagKind::kString, "", "", "UID[:GID]", "u"},
    {"additional-gids", FlagKind::kList, "", "", "group id added", "g"},
    {"cap", FlagKind::kList, "", "", "capability added", "c"},
    {"no-new-privs", FlagKind::kBool, "false", "", "never gains privileges by exec"},
    {"preserve-fds", FlagKind::kUint, "0", "", "descriptors from 3 on that the process inherits"},
    {"ignore-paused", FlagKind::kBool, "false", "", "also in a paused container"},
    {"apparmor", FlagKind::kString, "", "", "runc's", "", false},
    {"process-label", FlagKind::kString, "", "", "runc's", "", false},
    {"cgroup", FlagKind::kList, "", "", "runc's", "", false},
    {"pidfd-socket", FlagKind::kString, "", "", "socket that gets a pidfd of the process"},
    {"pass-fd", FlagKind::kList, "", "", "M:N: host descriptor M as N in the container"},
    {"exec-fd", FlagKind::kInt, "-1", "", "descriptor of the program to run, instead of args[0]"},
};

ProcessChanges ChangesOf(const Invocation& invocation) {
  const FlagSet& flags = invocation.flags;
  ProcessChanges changes;
  changes.args.assign(invocation.args.begin() + 1, invocation.args.end());
  changes.env = flags.GetList("env");
  changes.cwd = flags.GetString("cwd");
  changes.user = flags.GetString("user");
  changes.groups = flags.GetList("additional-gids");
  changes.caps = flags.GetList("cap");
  changes.terminal = flags.GetBool("tty");
  changes.no_new_privs = flags.GetBool("no-new-privs");
  return changes;
}

absl::StatusOr<std::string> ProcessText(const Invocation& invocation, StateStore& store, const std::string& id) {
  const std::string& file = invocation.flags.GetString("process");
  if (!file.empty()) return ReadFileAt(AT_FDCWD, file, kMaxSpecBytes);
  if (invocation.args.size() < 2) return InvalidArgument("no command given, and no --process");
  ASSIGN_OR_RETURN(const StateDirectory directory, store.OpenUnlocked(id));
  ASSIGN_OR_RETURN(const std::string config, directory.ReadConfig());
  return ChangedProcess(config, ChangesOf(invocation));
}

absl::StatusOr<ExecOptions> OptionsOf(const Invocation& invocation, StateStore& store) {
  const FlagSet& flags = invocation.flags;
  ExecOptions options;
  options.id = invocation.args[0];
  ASSIGN_OR_RETURN(options.json, ProcessText(invocation, store, options.id));
  ASSIGN_OR_RETURN(options.process, ParseProcess(options.json));
  RETURN_IF_ERROR(ValidateProcess(options.process));
  options.detached = flags.GetBool("detach");
  options.ignore_paused = flags.GetBool("ignore-paused");
  options.pid_file = flags.GetString("pid-file");
  options.internal_pid_file = flags.GetString("internal-pid-file");
  options.console_socket = flags.GetString("console-socket");
  options.pidfd_socket = flags.GetString("pidfd-socket");
  ASSIGN_OR_RETURN(options.inherited_fds, InheritedFds(flags.GetInt("preserve-fds"), flags.GetList("pass-fd")));
  ASSIGN_OR_RETURN(options.program, TakeProgram(flags.GetInt("exec-fd"), options.inherited_fds));
  return options;
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  ASSIGN_OR_RETURN(const ExecOptions options, OptionsOf(invocation, store));
  if (!options.detached) HoldForwardedSignals();
  ASSIGN_OR_RETURN(const ExecutedProcess process, ExecInContainer(store, options));
  if (options.detached) return 0;
  return WaitInForeground(process.monitor);
}

}  // namespace

const Verb kExecVerb = {
    "exec", "<container-id> [command] [arguments...]", "run another process in a container", kFlags, 1, kAnyNumber,
    Run};

}  // namespace runsc
