// The runtime spec's rules about config.json.
#include "runsc-cli/oci/validate.h"

#include <set>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/check_text.h"
#include "runsc-cli/oci/names.h"

namespace runsc {
namespace {

// Linux's limit for sethostname (without the NUL).
constexpr size_t kMaxHostName = 64;

absl::Status CheckArgs(const SpecProcess& process) {
  if (process.args.empty()) return InvalidArgument("process.args: must not be empty");
  if (process.args[0].empty()) return InvalidArgument("process.args[0]: must not be empty");
  return CheckNoNuls("process.args", process.args);
}

absl::Status CheckEnv(const SpecProcess& process) {
  for (size_t i = 0; i < process.env.size(); ++i) {
    const size_t equals = process.env[i].find('=');
    if (equals == std::string::npos || equals == 0) {
      return InvalidArgument("process.env[", i, "]: must be NAME=value, is \"", process.env[i], "\"");
    }
  }
  return CheckNoNuls("process.env", process.env);
}

absl::Status CheckRlimits(const SpecProcess& process) {
  std::set<int> seen;
  for (size_t i = 0; i < process.rlimits.size(); ++i) {
    const SpecRlimit& limit = process.rlimits[i];
    if (!seen.insert(limit.resource).second) {
      return InvalidArgument("process.rlimits[", i, "]: second entry for ", RlimitName(limit.resource));
    }
    if (limit.soft > limit.hard) {
      return InvalidArgument("process.rlimits[", i, "]: soft limit ", limit.soft, " is above the hard limit ",
                             limit.hard);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckUser(const SpecProcess& process) {
  // -1 means "unchanged" to setresuid and is nobody's id.
  if (process.user.uid == UINT32_MAX) return InvalidArgument("process.user.uid: 4294967295 is no user");
  if (process.user.gid == UINT32_MAX) return InvalidArgument("process.user.gid: 4294967295 is no group");
  if (process.user.umask.value_or(0) > 0777) {
    return InvalidArgument("process.user.umask: must be at most 511 (0777)");
  }
  return absl::OkStatus();
}

// Real-time policies would have to be the host's: what is a priority in a sandbox cannot be one outside.
absl::Status CheckScheduling(const SpecProcess& process) {
  if (!process.scheduler) return absl::OkStatus();
  const std::string& policy = process.scheduler->policy;
  const bool normal = policy == "SCHED_OTHER" || policy == "SCHED_BATCH" || policy == "SCHED_IDLE";
  if (!normal)
    return absl::UnimplementedError(Cat("process.scheduler.policy: ", policy, " is not supported in a sandbox"));
  if (!process.scheduler->has_other_fields) return absl::OkStatus();
  return InvalidArgument("process.scheduler: ", policy, " takes nice alone");
}

absl::Status CheckProcess(const Spec& spec) {
  if (!spec.process) return InvalidArgument("process: must be given");
  return ValidateProcess(*spec.process);
}

absl::Status CheckRoot(const Spec& spec) {
  if (!spec.root) return InvalidArgument("root: must be given");
  if (spec.root->path.empty()) return InvalidArgument("root.path: must not be empty");
  return CheckPathText("root.path", spec.root->path);
}

absl::Status CheckHostName(const Spec& spec) {
  if (spec.hostname.size() > kMaxHostName) {
    return InvalidArgument("hostname: longer than ", kMaxHostName, " bytes");
  }
  if (spec.domainname.size() > kMaxHostName) {
    return InvalidArgument("domainname: longer than ", kMaxHostName, " bytes");
  }
  RETURN_IF_ERROR(CheckNoNul("hostname", spec.hostname));
  return CheckNoNul("domainname", spec.domainname);
}

bool IsBind(const SpecMount& mount) {
  if (mount.type == "bind") return true;
  for (const std::string& option : mount.options) {
    if (option == "bind" || option == "rbind") return true;
  }
  return false;
}

absl::Status CheckMounts(const Spec& spec) {
  for (size_t i = 0; i < spec.mounts.size(); ++i) {
    const SpecMount& mount = spec.mounts[i];
    const std::string path = Cat("mounts[", i, "]");
    // Since 1.2 a relative destination is allowed and means "from /".
    if (mount.destination.empty()) return InvalidArgument(path, ".destination: must not be empty");
    RETURN_IF_ERROR(CheckPathText(path + ".destination", mount.destination));
    RETURN_IF_ERROR(CheckPathText(path + ".source", mount.source));
    RETURN_IF_ERROR(CheckNoNuls(path + ".options", mount.options));
    if (mount.id_mapped) return absl::UnimplementedError(Cat(path, ".uidMappings: not supported"));
    if (IsBind(mount) && mount.source.empty()) {
      return InvalidArgument(path, ".source: must be given for a bind mount");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckHookList(std::string_view name, const std::vector<SpecHook>& hooks) {
  for (size_t i = 0; i < hooks.size(); ++i) {
    const std::string path = Cat("hooks.", name, "[", i, "]");
    RETURN_IF_ERROR(CheckAbsolute(path + ".path", hooks[i].path));
    RETURN_IF_ERROR(CheckNoNuls(path + ".args", hooks[i].args));
    RETURN_IF_ERROR(CheckNoNuls(path + ".env", hooks[i].env));
    if (hooks[i].timeout_seconds && *hooks[i].timeout_seconds == 0) {
      return InvalidArgument(path, ".timeout: must be greater than zero");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckHooks(const Spec& spec) {
  RETURN_IF_ERROR(CheckHookList("prestart", spec.hooks.prestart));
  RETURN_IF_ERROR(CheckHookList("createRuntime", spec.hooks.create_runtime));
  RETURN_IF_ERROR(CheckHookList("createContainer", spec.hooks.create_container));
  RETURN_IF_ERROR(CheckHookList("startContainer", spec.hooks.start_container));
  RETURN_IF_ERROR(CheckHookList("poststart", spec.hooks.poststart));
  return CheckHookList("poststop", spec.hooks.poststop);
}

absl::Status CheckRefused(const Spec& spec) {
  if (spec.refused.empty()) return absl::OkStatus();
  return absl::UnimplementedError(Cat(spec.refused[0], ": not supported"));
}

}  // namespace

absl::Status ValidateProcess(const SpecProcess& process) {
  RETURN_IF_ERROR(CheckArgs(process));
  RETURN_IF_ERROR(CheckEnv(process));
  RETURN_IF_ERROR(CheckAbsolute("process.cwd", process.cwd));
  RETURN_IF_ERROR(CheckRlimits(process));
  RETURN_IF_ERROR(CheckScheduling(process));
  return CheckUser(process);
}

absl::Status ValidateSpec(const Spec& spec) {
  RETURN_IF_ERROR(CheckRefused(spec));
  RETURN_IF_ERROR(CheckProcess(spec));
  RETURN_IF_ERROR(CheckRoot(spec));
  RETURN_IF_ERROR(CheckHostName(spec));
  RETURN_IF_ERROR(CheckMounts(spec));
  RETURN_IF_ERROR(CheckHooks(spec));
  return ValidateLinux(spec.linux_);
}

}  // namespace runsc
