// runsc delete: removes containers.
#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/sandbox/container.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"force", FlagKind::kBool, "false", "", "kill the container first; no error if there is none", "f"},
};

absl::StatusOr<int> Run(const Invocation& invocation) {
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  absl::Status result;
  for (std::string_view id : invocation.args) {
    absl::Status status = DeleteContainer(store, std::string(id), invocation.flags.GetBool("force"));
    if (result.ok()) {
      result = std::move(status);
    } else if (!status.ok()) {
      Log::ReportError(Cat("delete: ", MessageOf(status)));
    }
  }
  RETURN_IF_ERROR(result);
  return 0;
}

}  // namespace

const Verb kDeleteVerb = {"delete", "<container-id>...", "delete stopped containers", kFlags, 1, kAnyNumber, Run};

}  // namespace runsc
