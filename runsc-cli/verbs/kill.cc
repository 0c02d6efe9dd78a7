// runsc kill: signals for a container's processes.
#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/names.h"
#include "runsc-cli/sandbox/container.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"all", FlagKind::kBool, "false", "", "signal every process of the container", "a"},
    {"pid", FlagKind::kInt, "0", "", "signal this process, by its number in the container, instead of init"},
    {"pgid", FlagKind::kInt, "0", "", "signal every process of this group, by its number in the container"},
};

absl::StatusOr<SignalRequest> RequestOf(const Invocation& invocation) {
  const FlagSet& flags = invocation.flags;
  SignalRequest request;
  request.container = std::string(invocation.args[0]);
  request.pid = static_cast<int32_t>(flags.GetInt("pid"));
  request.group = static_cast<int32_t>(flags.GetInt("pgid"));
  request.all = flags.GetBool("all");
  if (request.pid < 0 || request.group < 0) return InvalidArgument("--pid and --pgid must not be negative");
  if ((request.pid != 0) + (request.group != 0) + request.all > 1)
    return InvalidArgument("give one of --all, --pid and --pgid");
  const std::string_view name = invocation.args.size() > 1 ? invocation.args[1] : "TERM";
  const std::optional<int> signo = SignalFromName(name);
  if (!signo) return InvalidArgument("unknown signal \"", name, "\"");
  request.signo = *signo;
  return request;
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  ASSIGN_OR_RETURN(const SignalRequest request, RequestOf(invocation));
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  RETURN_IF_ERROR(SignalContainer(store, request));
  return 0;
}

}  // namespace

const Verb kKillVerb = {
    "kill", "<container-id> [signal]", "send a signal (default TERM) to a container's process", kFlags, 1, 2, Run};

}  // namespace runsc
