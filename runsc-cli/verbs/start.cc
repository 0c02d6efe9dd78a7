// runsc start: runs the process of a created container.
#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/sandbox/container.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

absl::StatusOr<int> Run(const Invocation& invocation) {
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  RETURN_IF_ERROR(StartContainer(store, std::string(invocation.args[0])));
  return 0;
}

}  // namespace

const Verb kStartVerb = {"start", "<container-id>", "run the process of a created container", {}, 1, 1, Run};

}  // namespace runsc
