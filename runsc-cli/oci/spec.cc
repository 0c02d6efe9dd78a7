// Reads config.json.
#include "runsc-cli/oci/spec.h"

#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/json_reader.h"
#include "runsc-cli/oci/names.h"

namespace runsc {
namespace {

// Fails unless the text is one of `choices` ("a|b|c") or empty.
void CheckChoice(const JsonValue& value, std::string_view text, std::string_view choices) {
  if (text.empty()) return;
  const std::vector<std::string_view> known = Split(choices, '|');
  for (std::string_view choice : known) {
    if (text == choice) return;
  }
  value.Fail(Cat("unknown value \"", text, "\"; known are ", Join(known, ", ")));
}

CapabilityMask ReadCapabilitySet(const JsonValue& value) {
  CapabilityMask mask = 0;
  value.ForEach([&](const JsonValue& item) {
    const std::string name = item.String();
    const std::optional<int> capability = CapabilityFromName(name);
    if (!capability) return item.Fail(Cat("unknown capability \"", name, "\""));
    mask |= CapabilityMask{1} << *capability;
  });
  return mask;
}

SpecCapabilities ReadCapabilities(const JsonValue& value) {
  SpecCapabilities caps;
  caps.bounding = ReadCapabilitySet(value.Field("bounding"));
  caps.effective = ReadCapabilitySet(value.Field("effective"));
  caps.inheritable = ReadCapabilitySet(value.Field("inheritable"));
  caps.permitted = ReadCapabilitySet(value.Field("permitted"));
  caps.ambient = ReadCapabilitySet(value.Field("ambient"));
  return caps;
}

std::vector<SpecRlimit> ReadRlimits(const JsonValue& value) {
  std::vector<SpecRlimit> limits;
  value.ForEach([&](const JsonValue& item) {
    const JsonValue type = item.Field("type");
    const std::optional<int> resource = RlimitFromName(type.String());
    if (!resource) return type.Fail(Cat("unknown resource limit \"", type.String(), "\""));
    limits.push_back({*resource, item.Field("soft").Uint64(), item.Field("hard").Uint64()});
  });
  return limits;
}

SpecUser ReadUser(const JsonValue& value) {
  SpecUser user;
  user.uid = value.Field("uid").Uint32();
  user.gid = value.Field("gid").Uint32();
  if (value.Field("umask").present()) user.umask = value.Field("umask").Uint32();
  value.Field("additionalGids").ForEach([&](const JsonValue& item) { user.additional_gids.push_back(item.Uint32()); });
  return user;
}

SpecScheduler ReadScheduler(const JsonValue& value) {
  SpecScheduler scheduler{value.Field("policy").String(), static_cast<int32_t>(value.Field("nice").Int(-20, 19))};
  if (scheduler.policy.empty()) value.Field("policy").Fail("must be given");
  CheckChoice(value.Field("policy"), scheduler.policy,
              "SCHED_OTHER|SCHED_BATCH|SCHED_IDLE|SCHED_FIFO|SCHED_RR|SCHED_ISO|SCHED_DEADLINE");
  const bool times = value.Field("runtime").Uint64() != 0 || value.Field("deadline").Uint64() != 0 ||
                     value.Field("period").Uint64() != 0;
  scheduler.has_other_fields =
      times || value.Field("priority").Int(INT32_MIN, INT32_MAX) != 0 || !value.Field("flags").Strings().empty();
  return scheduler;
}

SpecIoPriority ReadIoPriority(const JsonValue& value) {
  SpecIoPriority priority{value.Field("class").String(), static_cast<int>(value.Field("priority").Int(0, 7))};
  if (priority.io_class.empty()) value.Field("class").Fail("must be given");
  CheckChoice(value.Field("class"), priority.io_class, "IOPRIO_CLASS_RT|IOPRIO_CLASS_BE|IOPRIO_CLASS_IDLE");
  return priority;
}

SpecProcess ReadProcess(const JsonValue& value) {
  SpecProcess process;
  process.terminal = value.Field("terminal").Bool();
  const JsonValue size = value.Field("consoleSize");
  process.console_height = static_cast<uint32_t>(size.Field("height").Int(0, UINT16_MAX));
  process.console_width = static_cast<uint32_t>(size.Field("width").Int(0, UINT16_MAX));
  process.user = ReadUser(value.Field("user"));
  process.args = value.Field("args").Strings();
  process.env = value.Field("env").Strings();
  process.cwd = value.Field("cwd").String();
  process.capabilities = ReadCapabilities(value.Field("capabilities"));
  process.rlimits = ReadRlimits(value.Field("rlimits"));
  process.no_new_privileges = value.Field("noNewPrivileges").Bool();
  process.apparmor_profile = value.Field("apparmorProfile").String();
  process.selinux_label = value.Field("selinuxLabel").String();
  if (const JsonValue adj = value.Field("oomScoreAdj"); adj.present()) {
    process.oom_score_adj = static_cast<int32_t>(adj.Int(-1000, 1000));
  }
  if (const JsonValue s = value.Field("scheduler"); s.present()) process.scheduler = ReadScheduler(s);
  if (const JsonValue p = value.Field("ioPriority"); p.present()) process.io_priority = ReadIoPriority(p);
  return process;
}

std::vector<SpecMount> ReadMounts(const JsonValue& value) {
  std::vector<SpecMount> mounts;
  value.ForEach([&](const JsonValue& item) {
    const bool id_mapped = item.Field("uidMappings").present() || item.Field("gidMappings").present();
    mounts.push_back({item.Field("destination").String(), item.Field("type").String(), item.Field("source").String(),
                      item.Field("options").Strings(), id_mapped});
  });
  return mounts;
}

std::vector<SpecHook> ReadHookList(const JsonValue& value) {
  std::vector<SpecHook> hooks;
  value.ForEach([&](const JsonValue& item) {
    SpecHook hook;
    hook.path = item.Field("path").String();
    hook.args = item.Field("args").Strings();
    hook.env = item.Field("env").Strings();
    if (const JsonValue timeout = item.Field("timeout"); timeout.present()) {
      hook.timeout_seconds = static_cast<int32_t>(timeout.Int(0, INT32_MAX));
    }
    hooks.push_back(std::move(hook));
  });
  return hooks;
}

SpecHooks ReadHooks(const JsonValue& value) {
  return {ReadHookList(value.Field("prestart")),        ReadHookList(value.Field("createRuntime")),
          ReadHookList(value.Field("createContainer")), ReadHookList(value.Field("startContainer")),
          ReadHookList(value.Field("poststart")),       ReadHookList(value.Field("poststop"))};
}

std::vector<SpecNamespace> ReadNamespaces(const JsonValue& value) {
  std::vector<SpecNamespace> namespaces;
  value.ForEach([&](const JsonValue& item) {
    const JsonValue type = item.Field("type");
    if (!type.present()) type.Fail("must be given");
    CheckChoice(type, type.String(), "pid|network|ipc|uts|mount|user|cgroup|time");
    namespaces.push_back({type.String(), item.Field("path").String()});
  });
  return namespaces;
}

std::vector<SpecIdMapping> ReadIdMappings(const JsonValue& value) {
  std::vector<SpecIdMapping> mappings;
  value.ForEach([&](const JsonValue& item) {
    mappings.push_back(
        {item.Field("containerID").Uint32(), item.Field("hostID").Uint32(), item.Field("size").Uint32()});
  });
  return mappings;
}

std::vector<SpecDevice> ReadDevices(const JsonValue& value) {
  std::vector<SpecDevice> devices;
  value.ForEach([&](const JsonValue& item) {
    SpecDevice device;
    device.path = item.Field("path").String();
    device.type = item.Field("type").String();
    CheckChoice(item.Field("type"), device.type, "c|b|u|p");
    device.major = item.Field("major").Int(-1, UINT32_MAX);
    device.minor = item.Field("minor").Int(-1, UINT32_MAX);
    if (item.Field("fileMode").present()) device.file_mode = item.Field("fileMode").Uint32();
    device.uid = item.Field("uid").Uint32();
    device.gid = item.Field("gid").Uint32();
    devices.push_back(std::move(device));
  });
  return devices;
}

SpecPersonality ReadPersonality(const JsonValue& value) {
  SpecPersonality personality{value.Field("domain").String(), value.Field("flags").Strings()};
  CheckChoice(value.Field("domain"), personality.domain, "LINUX|LINUX32");
  return personality;
}

bool HasTimeOffsets(const JsonValue& value) {
  bool any = false;
  value.ForEachMember([&](const std::string&, const JsonValue& clock) {
    any |= clock.Field("secs").Int(INT64_MIN, INT64_MAX) != 0 || clock.Field("nanosecs").Uint32() != 0;
  });
  return any;
}

SpecLinux ReadLinux(const JsonValue& value) {
  SpecLinux out;
  out.namespaces = ReadNamespaces(value.Field("namespaces"));
  out.uid_mappings = ReadIdMappings(value.Field("uidMappings"));
  out.gid_mappings = ReadIdMappings(value.Field("gidMappings"));
  out.devices = ReadDevices(value.Field("devices"));
  out.cgroups_path = value.Field("cgroupsPath").String();
  const JsonValue propagation = value.Field("rootfsPropagation");
  out.rootfs_propagation = propagation.String();
  CheckChoice(propagation, out.rootfs_propagation,
              "private|rprivate|slave|rslave|shared|rshared|unbindable|runbindable");
  out.mount_label = value.Field("mountLabel").String();
  out.masked_paths = value.Field("maskedPaths").Strings();
  out.readonly_paths = value.Field("readonlyPaths").Strings();
  out.sysctl = value.Field("sysctl").StringMap();
  out.resources = ReadResources(value.Field("resources"));
  if (const JsonValue seccomp = value.Field("seccomp"); seccomp.present()) out.seccomp = ReadSeccomp(seccomp);
  if (const JsonValue persona = value.Field("personality"); persona.present())
    out.personality = ReadPersonality(persona);
  out.has_time_offsets = HasTimeOffsets(value.Field("timeOffsets"));
  return out;
}

// Of other systems, or of hardware that a sandbox does not get near.
std::vector<std::string> FindRefused(const JsonValue& document) {
  std::vector<std::string> found;
  const auto look = [&](const JsonValue& object, std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (object.Field(name).present()) found.push_back(object.Field(name).path());
    }
  };
  look(document, {"solaris", "windows", "vm", "zos", "freebsd"});
  look(document.Field("process"), {"execCPUAffinity", "commandLine"});
  look(document.Field("linux"), {"intelRdt", "memoryPolicy", "netDevices"});
  return found;
}

Spec ReadSpec(const JsonValue& document) {
  Spec spec;
  spec.oci_version = document.Field("ociVersion").String();
  if (document.Field("process").present()) spec.process = ReadProcess(document.Field("process"));
  if (const JsonValue root = document.Field("root"); root.present()) {
    spec.root = SpecRoot{root.Field("path").String(), root.Field("readonly").Bool()};
  }
  spec.hostname = document.Field("hostname").String();
  spec.domainname = document.Field("domainname").String();
  spec.mounts = ReadMounts(document.Field("mounts"));
  spec.hooks = ReadHooks(document.Field("hooks"));
  spec.annotations = document.Field("annotations").StringMap();
  spec.linux_ = ReadLinux(document.Field("linux"));
  spec.refused = FindRefused(document);
  return spec;
}

template <typename T>
absl::StatusOr<T> ParseDocument(std::string_view text, T (*read)(const JsonValue& document)) {
  if (text.size() > kMaxSpecBytes) {
    return InvalidArgument(text.size(), " bytes are more than the ", kMaxSpecBytes, " allowed");
  }
  if (absl::Status s = CheckJsonText(text, kMaxSpecDepth); !s.ok()) return s;
  const nlohmann::json document = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  absl::Status error;
  const JsonValue root(&document, "", &error);
  if (!root.present()) return InvalidArgument("the document: must be an object, is null");
  T value = read(root);
  if (!error.ok()) return error;
  return value;
}

}  // namespace

absl::StatusOr<Spec> ParseSpec(std::string_view text) { return ParseDocument<Spec>(text, ReadSpec); }

absl::StatusOr<SpecProcess> ParseProcess(std::string_view text) {
  return ParseDocument<SpecProcess>(text, ReadProcess);
}

}  // namespace runsc
