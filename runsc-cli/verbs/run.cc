// runsc run: create, start and, in the foreground, wait and delete.
#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/verbs/create_flags.h"
#include "runsc-cli/verbs/run_foreground.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    RUNSC_CREATE_FLAGS,
    {"detach", FlagKind::kBool, "false", "", "do not wait for the container", "d"},
    {"keep", FlagKind::kBool, "false", "", "do not delete the container when its process ends"},
    {"no-subreaper", FlagKind::kBool, "false", "", "runc's", "", false},
    {"exec-fd", FlagKind::kInt, "-1", "", "descriptor of the program to run, instead of args[0]"},
};

absl::StatusOr<int> Run(const Invocation& invocation) {
  RETURN_IF_ERROR(CheckCreateFlags(invocation));
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  ASSIGN_OR_RETURN(Bundle bundle, LoadBundle(invocation.flags.GetString("bundle")));
  WarnOfUnapplied(bundle.spec);
  CreateOptions options;
  options.bundle = &bundle;
  RETURN_IF_ERROR(SetCreateOptions(invocation, options));
  ASSIGN_OR_RETURN(options.program, TakeProgram(invocation.flags.GetInt("exec-fd"), options.inherited_fds));
  options.start_now = true;
  if (!invocation.flags.GetBool("detach")) {
    return RunForeground(store, std::move(options), invocation.flags.GetBool("keep"));
  }
  RETURN_IF_ERROR(CreateContainer(store, options).status());
  return 0;
}

}  // namespace

const Verb kRunVerb = {"run", "<container-id>", "create and start a container, and wait for it", kFlags, 1, 1, Run};

}  // namespace runsc
