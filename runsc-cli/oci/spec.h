// config.json of an OCI bundle as plain data. Reading checks types and enumerations; what the values
// mean together is validate.h's business.
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cli/oci/resources.h"
#include "runsc-cli/oci/seccomp_profile.h"

namespace runsc {

// Bit n is capability n of linux/capability.h.
using CapabilityMask = uint64_t;

struct SpecUser {
  uint32_t uid = 0, gid = 0;
  std::optional<uint32_t> umask;
  std::vector<uint32_t> additional_gids;
};

struct SpecCapabilities {
  CapabilityMask bounding = 0, effective = 0, inheritable = 0, permitted = 0, ambient = 0;
};

struct SpecRlimit {
  int resource = 0;  // RLIMIT_*
  uint64_t soft = 0, hard = 0;
};

struct SpecScheduler {
  std::string policy;  // SCHED_OTHER
  int32_t nice = 0;
  bool has_other_fields = false;  // of the policies that are refused
};

struct SpecIoPriority {
  std::string io_class;  // IOPRIO_CLASS_BE
  int level = 0;
};

struct SpecProcess {
  bool terminal = false;
  unsigned console_height = 0, console_width = 0;  // 0: not given
  SpecUser user;
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string cwd;
  SpecCapabilities capabilities;
  std::vector<SpecRlimit> rlimits;
  bool no_new_privileges = false;
  std::string apparmor_profile, selinux_label;
  std::optional<int32_t> oom_score_adj;
  std::optional<SpecScheduler> scheduler;
  std::optional<SpecIoPriority> io_priority;
};

struct SpecRoot {
  std::string path;
  bool readonly = false;
};

struct SpecMount {
  std::string destination, type, source;
  std::vector<std::string> options;
  bool id_mapped = false;  // uidMappings or gidMappings
};

struct SpecHook {
  std::string path;
  std::vector<std::string> args, env;
  std::optional<int32_t> timeout_seconds;
};

struct SpecHooks {
  std::vector<SpecHook> prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct SpecNamespace {
  std::string type;  // pid network ipc uts mount user cgroup time
  std::string path;
};

struct SpecIdMapping {
  uint32_t container_id = 0, host_id = 0, size = 0;
};

struct SpecDevice {
  std::string path, type;
  int64_t major = 0, minor = 0;
  uint32_t file_mode = 0666;
  uint32_t uid = 0, gid = 0;
};

struct SpecPersonality {
  std::string domain;  // LINUX, LINUX32
  std::vector<std::string> flags;
};

struct SpecLinux {
  std::vector<SpecNamespace> namespaces;
  std::vector<SpecIdMapping> uid_mappings, gid_mappings;
  std::vector<SpecDevice> devices;
  std::string cgroups_path, rootfs_propagation, mount_label;
  std::vector<std::string> masked_paths, readonly_paths;
  std::map<std::string, std::string> sysctl;
  SpecResources resources;
  std::optional<SpecSeccomp> seccomp;
  std::optional<SpecPersonality> personality;
  bool has_time_offsets = false;
};

struct Spec {
  std::string oci_version;
  std::optional<SpecProcess> process;
  std::optional<SpecRoot> root;
  std::string hostname, domainname;
  std::vector<SpecMount> mounts;
  SpecHooks hooks;
  std::map<std::string, std::string> annotations;
  std::vector<std::string> refused;  // fields that are there and that no sandbox can honour
  SpecLinux linux_;                  // "linux" is a macro in GNU mode
};

// The annotation that makes a container's init take signals as other processes do: with "true", what it has no handler
// for ends it. The first process of a pid namespace is spared that.
inline constexpr char kDefaultSignals[] = "dev.runsc.default-signals";

// Bounds on the text, so that no file can make us run out of memory or stack.
inline constexpr size_t kMaxSpecBytes = 16 << 20;
inline constexpr int kMaxSpecDepth = 128;

// The text of a config.json. An error names the place: "process.args[2]: must be a string, is a
// number" or "line 3, column 7: ...".
absl::StatusOr<Spec> ParseSpec(std::string_view json);

// The text of a process.json: config.json's `process` alone.
absl::StatusOr<SpecProcess> ParseProcess(std::string_view json);

// The other way: used by `spec` and `do`. Only what those two set is written.
std::string SpecToJson(const Spec& spec);

}  // namespace runsc
