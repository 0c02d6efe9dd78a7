#include "sentry/fs/mount_sysctl.h"

#include <climits>

#include "sentry/fs/proc_sys.h"
#include "sentry/vfs/mount_table.h"

namespace runsc {
namespace {

std::string ReadMax(Task&) { return std::to_string(MountTable::max_mounts); }

Result<void> WriteMax(Task&, std::string_view text) {
  const std::optional<uint64_t> value = TakeNumber(text);
  if (!value || *value == 0 || *value > INT_MAX || !IsBlank(text)) return Errno(EINVAL);
  MountTable::max_mounts = static_cast<uint32_t>(*value);
  return {};
}

}  // namespace

void PublishMountSysctl() { SetProcSysKnob({"fs/mount-max", ReadMax, WriteMax}); }

}  // namespace runsc
