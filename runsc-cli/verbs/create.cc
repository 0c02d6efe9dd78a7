// runsc create: makes a container whose init waits for `start`.
#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/verbs/create_flags.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {RUNSC_CREATE_FLAGS};

absl::StatusOr<int> Run(const Invocation& invocation) {
  RETURN_IF_ERROR(CheckCreateFlags(invocation));
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  ASSIGN_OR_RETURN(Bundle bundle, LoadBundle(invocation.flags.GetString("bundle")));
  WarnOfUnapplied(bundle.spec);
  CreateOptions options;
  options.bundle = &bundle;
  RETURN_IF_ERROR(SetCreateOptions(invocation, options));
  RETURN_IF_ERROR(CreateContainer(store, options).status());
  return 0;
}

}  // namespace

const Verb kCreateVerb = {"create", "<container-id>", "create a container; `start` runs its process", kFlags, 1, 1,
                          Run};

}  // namespace runsc
