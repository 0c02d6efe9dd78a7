// The runtime spec's rules about config.json.
#include "runsc-cli/oci/validate.h"

#include <set>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/names.h"

namespace runsc {
namespace {

// Linux's limit for sethostname (without the NUL).
constexpr size_t kMaxHostName = 64;

absl::Status CheckNoNul(std::string_view path, std::string_view text) {
  if (text.find('\0') == text.npos) return absl::OkStatus();
  return InvalidArgument(path, ": must not contain a NUL character");
}

absl::Status CheckNoNuls(std::string_view path, const std::vector<std::string>& texts) {
  for (size_t i = 0; i < texts.size(); ++i) {
    RETURN_IF_ERROR(CheckNoNul(Cat(path, "[", i, "]"), texts[i]));
  }
  return absl::OkStatus();
}

absl::Status CheckAbsolute(std::string_view path, std::string_view text) {
  if (text.empty()) return InvalidArgument(path, ": must not be empty");
  if (!text.starts_with('/')) {
    return InvalidArgument(path, ": must be an absolute path, is \"", text, "\"");
  }
  return CheckNoNul(path, text);
}

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
  return CheckNoNul("root.path", spec.root->path);
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
    RETURN_IF_ERROR(CheckNoNul(path + ".destination", mount.destination));
    RETURN_IF_ERROR(CheckNoNul(path + ".source", mount.source));
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

absl::Status CheckNamespaces(const Spec& spec) {
  std::set<std::string> seen;
  for (size_t i = 0; i < spec.linux_.namespaces.size(); ++i) {
    const SpecNamespace& ns = spec.linux_.namespaces[i];
    const std::string path = Cat("linux.namespaces[", i, "]");
    if (!seen.insert(ns.type).second) {
      return InvalidArgument(path, ": second entry of type \"", ns.type, "\"");
    }
    if (!ns.path.empty()) RETURN_IF_ERROR(CheckAbsolute(path + ".path", ns.path));
  }
  return absl::OkStatus();
}

absl::Status CheckDevices(const Spec& spec) {
  for (size_t i = 0; i < spec.linux_.devices.size(); ++i) {
    const std::string path = Cat("linux.devices[", i, "]");
    RETURN_IF_ERROR(CheckAbsolute(path + ".path", spec.linux_.devices[i].path));
    if (spec.linux_.devices[i].type.empty()) return InvalidArgument(path, ".type: must be given");
  }
  return absl::OkStatus();
}

absl::Status CheckIdMappings(std::string_view path, const std::vector<SpecIdMapping>& mappings) {
  for (size_t i = 0; i < mappings.size(); ++i) {
    const SpecIdMapping& m = mappings[i];
    const uint64_t end = uint64_t{std::max(m.container_id, m.host_id)} + m.size;
    if (m.size == 0 || end > UINT32_MAX) {
      return InvalidArgument(path, "[", i, "]: the range must hold at least one id and end below 2^32");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPaths(std::string_view field, const std::vector<std::string>& paths) {
  for (size_t i = 0; i < paths.size(); ++i) RETURN_IF_ERROR(CheckAbsolute(Cat(field, "[", i, "]"), paths[i]));
  return absl::OkStatus();
}

// The names become a path below /proc/sys.
absl::Status CheckSysctls(const Spec& spec) {
  for (const auto& [name, value] : spec.linux_.sysctl) {
    RETURN_IF_ERROR(CheckNoNul(Cat("linux.sysctl.", name), name));
    const bool odd = name.empty() || name.find("..") != name.npos || name.front() == '.' || name.front() == '/';
    if (odd) return InvalidArgument("linux.sysctl: \"", name, "\" is no name of a setting");
  }
  return absl::OkStatus();
}

absl::Status CheckLinux(const Spec& spec) {
  RETURN_IF_ERROR(CheckPaths("linux.maskedPaths", spec.linux_.masked_paths));
  RETURN_IF_ERROR(CheckPaths("linux.readonlyPaths", spec.linux_.readonly_paths));
  RETURN_IF_ERROR(CheckSysctls(spec));
  if (spec.linux_.seccomp) RETURN_IF_ERROR(ValidateSeccomp(*spec.linux_.seccomp));
  if (spec.linux_.personality && !spec.linux_.personality->flags.empty()) {
    return absl::UnimplementedError("linux.personality.flags: not supported");
  }
  if (spec.linux_.has_time_offsets) {
    return absl::UnimplementedError("linux.timeOffsets: a sandbox has the host's clocks");
  }
  return absl::OkStatus();
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
  RETURN_IF_ERROR(CheckNamespaces(spec));
  RETURN_IF_ERROR(CheckDevices(spec));
  RETURN_IF_ERROR(CheckLinux(spec));
  RETURN_IF_ERROR(CheckIdMappings("linux.uidMappings", spec.linux_.uid_mappings));
  return CheckIdMappings("linux.gidMappings", spec.linux_.gid_mappings);
}

}  // namespace runsc
