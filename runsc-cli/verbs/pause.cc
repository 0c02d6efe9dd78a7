// runsc pause and resume: stops and continues every process of a container.
#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/sandbox/container.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

absl::StatusOr<int> SetPaused(const Invocation& invocation, bool paused) {
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  RETURN_IF_ERROR(PauseContainer(store, std::string(invocation.args[0]), paused));
  return 0;
}

absl::StatusOr<int> Pause(const Invocation& invocation) { return SetPaused(invocation, true); }
absl::StatusOr<int> Resume(const Invocation& invocation) { return SetPaused(invocation, false); }

}  // namespace

const Verb kPauseVerb = {"pause", "<container-id>", "stop every process of a container", {}, 1, 1, Pause};
const Verb kResumeVerb = {"resume", "<container-id>", "continue a paused container", {}, 1, 1, Resume};

}  // namespace runsc
