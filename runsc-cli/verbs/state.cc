// runsc state: the runtime spec's state document.
#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/sandbox/container.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

absl::StatusOr<int> Run(const Invocation& invocation) {
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  ASSIGN_OR_RETURN(const ContainerState state, store.Read(invocation.args[0]));
  RETURN_IF_ERROR(Print(OciStateJson(state, QueryStatus(store, state)) + "\n"));
  return 0;
}

}  // namespace

const Verb kStateVerb = {"state", "<container-id>", "print the state of a container", {}, 1, 1, Run};

}  // namespace runsc
