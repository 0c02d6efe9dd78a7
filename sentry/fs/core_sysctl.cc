#include "sentry/fs/core_sysctl.h"

#include "sentry/fs/proc_sys.h"
#include "sentry/kernel/core_pattern.h"

namespace runsc {
namespace {

std::string ReadPattern(Task&) { return CorePattern(); }
Result<void> WritePattern(Task&, std::string_view text) { return SetCorePattern(text); }

std::string ReadUsesPid(Task&) { return CoreUsesPid() ? "1" : "0"; }

Result<void> WriteUsesPid(Task&, std::string_view text) {
  const std::optional<uint64_t> value = TakeNumber(text);
  if (!value || *value > 1 || !IsBlank(text)) return Errno(EINVAL);
  SetCoreUsesPid(*value == 1);
  return {};
}

}  // namespace

void PublishCoreSysctls() {
  SetProcSysKnob({"kernel/core_pattern", ReadPattern, WritePattern});
  SetProcSysKnob({"kernel/core_uses_pid", ReadUsesPid, WriteUsesPid});
}

}  // namespace runsc
