#include "runsc-cli/boot/process_attributes.h"

#include <linux/ioprio.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>

#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/boot/runtime_access.h"
#include "runsc-cli/seccomp/compile.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/seccomp.h"

namespace runsc {
namespace {

// The guest's own system call, made for the process by the runtime as root.
absl::Status CallAsRoot(Task& task, std::string_view field, uint64_t number, std::initializer_list<uint64_t> args) {
  SyscallRequest request{};
  request.number = number;
  std::copy(args.begin(), args.end(), request.args);
  const CredentialsRef own = task.creds();
  task.SetCreds(RootCredentials());
  const SyscallResult result = task.kernel().syscalls().entries[number].handler(task, request);
  task.SetCreds(own);
  return result.ok() ? absl::OkStatus() : HostError(result.error().value(), "%s", std::string(field).c_str());
}

absl::Status ApplyScheduler(Task& task, const SpecScheduler& scheduler) {
  task.sched_policy = scheduler.policy == "SCHED_BATCH"  ? SCHED_BATCH
                      : scheduler.policy == "SCHED_IDLE" ? SCHED_IDLE
                                                         : SCHED_OTHER;
  return CallAsRoot(task, "process.scheduler", SYS_setpriority,
                    {PRIO_PROCESS, 0, static_cast<uint64_t>(scheduler.nice)});
}

absl::Status ApplyIoPriority(Task& task, const SpecIoPriority& priority) {
  const int io_class = priority.io_class == "IOPRIO_CLASS_RT"   ? IOPRIO_CLASS_RT
                       : priority.io_class == "IOPRIO_CLASS_BE" ? IOPRIO_CLASS_BE
                                                                : IOPRIO_CLASS_IDLE;
  const int value = IOPRIO_PRIO_VALUE(io_class, io_class == IOPRIO_CLASS_IDLE ? 0 : priority.level);
  return CallAsRoot(task, "process.ioPriority", SYS_ioprio_set, {IOPRIO_WHO_PROCESS, 0, static_cast<uint64_t>(value)});
}

absl::Status ApplyPersonality(Task& task, const SpecPersonality& personality) {
  const uint64_t persona = personality.domain == "LINUX32" ? PER_LINUX32 : PER_LINUX;
  return CallAsRoot(task, "linux.personality", SYS_personality, {persona});
}

absl::Status ApplySeccomp(Task& task, const SpecSeccomp& profile) {
  ASSIGN_OR_RETURN(CompiledSeccomp compiled, CompileSeccomp(profile));
  if (!compiled.unknown_names.empty()) LogDebug("linux.seccomp: no such calls: ", Join(compiled.unknown_names, " "));
  const Result<int> added = AddSeccompFilter(task, std::move(compiled.program), nullptr, compiled.log, false);
  return added.ok() ? absl::OkStatus() : HostError(added.error().value(), "linux.seccomp");
}

}  // namespace

absl::Status ApplyProcessAttributes(Task& task, const SpecProcess& process, const SpecLinux& linux_spec, bool seccomp) {
  if (process.scheduler) RETURN_IF_ERROR(ApplyScheduler(task, *process.scheduler));
  if (process.io_priority) RETURN_IF_ERROR(ApplyIoPriority(task, *process.io_priority));
  if (linux_spec.personality) RETURN_IF_ERROR(ApplyPersonality(task, *linux_spec.personality));
  if (linux_spec.seccomp && seccomp) return ApplySeccomp(task, *linux_spec.seccomp);
  return absl::OkStatus();
}

}  // namespace runsc
