// Foreground containers.
#include "runsc-cli/verbs/run_foreground.h"

#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/sandbox/container.h"
#include "runsc-cli/sandbox/foreground.h"

namespace runsc {

absl::StatusOr<int> RunForeground(StateStore& store, CreateOptions options, bool keep) {
  options.start_now = true;
  options.foreground = true;
  HoldForwardedSignals();
  ASSIGN_OR_RETURN(CreatedContainer container, CreateContainer(store, options));
  const absl::StatusOr<int> status = WaitInForeground(container.monitor);
  container.streams.RestoreTerminal();
  if (keep) return status;
  absl::Status deleted = DeleteContainer(store, options.id, /*force=*/true);
  if (!deleted.ok()) Log::ReportWarning(Cat("cannot delete the container: ", MessageOf(deleted)));
  return status;
}

}  // namespace runsc
