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
};

absl::StatusOr<int> Run(const Invocation& invocation) {
  const std::string_view name = invocation.args.size() > 1 ? invocation.args[1] : "TERM";
  const std::optional<int> signo = SignalFromName(name);
  if (!signo) return InvalidArgument("unknown signal \"", name, "\"");
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  RETURN_IF_ERROR(SignalContainer(store, std::string(invocation.args[0]), *signo,
                                  static_cast<int>(invocation.flags.GetInt("pid")), invocation.flags.GetBool("all")));
  return 0;
}

}  // namespace

const Verb kKillVerb = {
    "kill", "<container-id> [signal]", "send a signal (default TERM) to a container's process", kFlags, 1, 2, Run};

}  // namespace runsc
