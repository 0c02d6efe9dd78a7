// Foreground containers.
#include "runsc-cli/verbs/run_foreground.h"

#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/sandbox/foreground.h"

namespace runsc {

absl::StatusOr<int> RunForeground(StateStore& store, CreateOptions options, bool keep) {
  options.start_now = true;
  options.die_with_caller = true;
  HoldForwardedSignals();
  ASSIGN_OR_RETURN(Sandbox sandbox, CreateContainer(store, options));
  absl::StatusOr<StateDirectory> directory = store.OpenUnlocked(options.id);
  absl::StatusOr<int> status = WaitInForeground(sandbox, directory.ok() ? directory->fd() : -1);
  if (keep) return status;
  absl::Status deleted = DeleteContainer(store, options.id, /*force=*/true);
  if (!deleted.ok()) Log::ReportWarning(Cat("cannot delete the container: ", MessageOf(deleted)));
  return status;
}

}  // namespace runsc
