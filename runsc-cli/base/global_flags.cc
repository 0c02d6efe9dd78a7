// The table of global flags, and the checks that go beyond a flag's type.
#include "runsc-cli/base/global_flags.h"

#include <unistd.h>

#include <cstdlib>

#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr FlagKind kBool = FlagKind::kBool;
constexpr FlagKind kString = FlagKind::kString;
constexpr FlagKind kInt = FlagKind::kInt;
constexpr FlagKind kUint = FlagKind::kUint;
constexpr FlagKind kDuration = FlagKind::kDuration;
constexpr FlagKind kEnum = FlagKind::kEnum;

// A flag that is parsed but does nothing yet.
constexpr FlagDef Inert(std::string_view name, FlagKind kind, std::string_view def, std::string_view choices,
                        std::string_view help) {
  return {name, kind, def, choices, help, {}, false};
}

constexpr FlagDef kGlobalFlags[] = {
    // Identity and logging.
    {"root", kString, "", "",
     "directory for container state ($XDG_RUNTIME_DIR/runsc; else /var/run/runsc, or /run/user/UID/runsc for who is "
     "not root)"},
    Inert("shared-root", kString, "", "", "directory for system-wide control files"),
    {"log", kString, "", "", "file that errors are appended to, besides standard error"},
    {"log-format", kEnum, "text", "text|json|json-k8s", "format of --log"},
    {"debug", kBool, "false", "", "log in detail"},
    {"debug-log", kString, "", "",
     "file, or directory when it ends in '/', for the detailed log; %ID%, %COMMAND%, %TIMESTAMP% are replaced"},
    {"debug-log-format", kEnum, "text", "text|json|json-k8s", "format of --debug-log"},
    {"debug-command", kString, "", "", "comma-separated verbs that write --debug-log; a leading '!' means all others"},
    {"alsologtostderr", kBool, "false", "", "write the detailed log to standard error too"},
    Inert("debug-to-user-log", kBool, "false", "", "write the detailed log to the user log"),
    {"panic-log", kString, "", "", "file for crash reports of the sandbox's processes; names as in --debug-log"},
    Inert("coverage-report", kString, "", "", "file for coverage data"),
    Inert("log-packets", kBool, "false", "", "log network packets"),
    Inert("pcap-log", kString, "", "", "file for captured packets"),
    Inert("traceback", kString, "system", "", "detail of crash traces"),
    {"systemd-cgroup", kBool, "false", "", "make cgroups through systemd"},
    Inert("allow-flag-override", kBool, "false", "", "let annotations set flags"),
    // Observability.
    {"strace", kBool, "false", "", "log the guest's system calls"},
    {"strace-syscalls", kString, "", "", "comma-separated calls to log; empty means all"},
    {"strace-log-size", kUint, "1024", "", "bytes of a buffer to log"},
    Inert("strace-event", kBool, "false", "", "send system calls to the event log"),
    Inert("metric-server", kString, "", "", "address of the metric server"),
    Inert("final-metrics-log", kString, "", "", "file for metrics at exit"),
    Inert("profiling-metrics", kString, "", "", "metrics to sample"),
    Inert("profiling-metrics-log", kString, "", "", "file for sampled metrics"),
    Inert("profiling-metrics-rate-us", kInt, "1000", "", "microseconds between samples"),
    Inert("profile", kBool, "false", "", "prepare for profiling"),
    Inert("profile-block", kString, "", "", "file for a blocking profile"),
    Inert("profile-cpu", kString, "", "", "file for a CPU profile"),
    Inert("profile-heap", kString, "", "", "file for a heap profile"),
    Inert("profile-mutex", kString, "", "", "file for a lock profile"),
    Inert("profile-gc-interval", kDuration, "0", "", "no garbage collector here"),
    Inert("trace", kString, "", "", "file for an execution trace"),
    Inert("pod-init-config", kString, "", "", "file with trace sessions"),
    Inert("ref-leak-mode", kEnum, "disabled", "disabled|log-names|log-traces", "reference leak checks"),
    // Platform.
    {"platform", kEnum, "systrap", "systrap|ptrace|kvm",
     "how guest code is run; not given: ptrace where the host has no seccomp traps"},
    Inert("platform_device_path", kString, "", "", "device of the platform"),
    Inert("watchdog-action", kEnum, "log", "log|panic|LogWarning|Panic", "what a stuck task causes"),
    Inert("panic-signal", kInt, "-1", "", "signal that makes the sentry crash with a trace"),
    Inert("cpu-num-from-quota", kBool, "true", "", "visible CPUs follow the CPU quota"),
    {"systrap-disable-syscall-patching", kBool, "false", "", "leave guest code unpatched"},
    {"systrap-disable-fast-path", kBool, "false", "", "never spin while waiting for a call"},
    Inert("kvm-use-cpu-nums", kBool, "false", "", "expose vCPU numbers"),
    Inert("enable-core-tags", kBool, "false", "", "core scheduling"),
    Inert("app-huge-pages", kBool, "true", "", "huge pages for guest memory"),
    Inert("host-settings", kEnum, "check", "check|check_mandatory|ignore|adjust|enforce",
          "what to do about host sysctls"),
    Inert("control-rpc-stop-timeout", kDuration, "15s", "", "how long shutdown waits for control calls"),
    // Security.
    Inert("rootless", FlagKind::kSwitch, "false", "true|false|auto|1|0|t|f|T|F|TRUE|FALSE|True|False",
          "run without root's rights; found out by itself"),
    {"oci-seccomp", kBool, "true", "", "honour linux.seccomp inside the guest"},
    Inert("allow-suid", kBool, "false", "", "set-user-ID programs change identity, always"),
    {"net-raw", kBool, "false", "", "keep CAP_NET_RAW"},
    Inert("allow-packet-socket-write", kBool, "false", "", "let packet sockets send"),
    Inert("gvisor-marker-file", kBool, "false", "", "marker file in /proc"),
    Inert("override-procs", kString, "", "", "replaced /proc files"),
    Inert("sidecar-release-enforcement-policy", kString, "NEVER", "", "this runtime is one binary"),
    // Files.
    Inert("file-access", kEnum, "exclusive", "exclusive|shared", "who else changes the root file system"),
    Inert("file-access-mounts", kEnum, "shared", "exclusive|shared", "who else changes bind mounts"),
    {"overlay2", kString, "root:self", "", "none, or {root|all}:{memory|self|dir=PATH}[,size=N]: where writes go"},
    Inert("directfs", kBool, "true", "", "files are always opened through the gofer"),
    Inert("host-uds", kEnum, "none", "none|open|create|all", "access to host Unix sockets"),
    Inert("host-fifo", kEnum, "none", "none|open", "access to host FIFOs"),
    Inert("character-device-policy", kEnum, "emulated-only", "emulated-only|prefer-emulated|passthrough",
          "device nodes"),
    Inert("fdlimit", kInt, "-1", "", "limit of host file descriptors"),
    Inert("dcache", kInt, "-1", "", "size of the name cache"),
    {"ignore-cgroups", kBool, "false", "", "make no cgroups"},
    Inert("mount-cgroup-v2", kBool, "false", "", "cgroup2 inside the guest"),
    Inert("allow-rootfs-tar-annotation", kBool, "false", "", "upper layer from a tar file"),
    Inert("iouring", kBool, "false", "", "io_uring inside the guest"),
    // Network.
    {"network", kEnum, "sandbox", "sandbox|host|none|plugin",
     "guest network: sandbox is host where there are links, for now"},
    Inert("gofer-network-namespace", kString, "null", "", "network namespace of the gofer"),
    Inert("gso", kBool, "true", "", "segmentation offload"),
    Inert("software-gso", kBool, "true", "", "segmentation offload in software"),
    Inert("gvisor-gro", kString, "false", "", "receive offload"),
    Inert("tx-checksum-offload", kBool, "false", "", "transmit checksums"),
    Inert("rx-checksum-offload", kBool, "true", "", "receive checksums"),
    Inert("qdisc", kEnum, "fifo", "fifo|none|tbf", "queueing discipline"),
    Inert("qdisc-tbf-rate", kUint, "0", "", "rate of the tbf discipline"),
    Inert("qdisc-tbf-burst", kUint, "0", "", "burst of the tbf discipline"),
    Inert("num-network-channels", kInt, "1", "", "channels of a link"),
    Inert("network-processors-per-channel", kInt, "0", "", "threads of a channel"),
    Inert("EXPERIMENTAL-xdp", kString, "off", "", "XDP sockets"),
    Inert("EXPERIMENTAL-xdp-need-wakeup", kBool, "true", "", "XDP wake-ups"),
    Inert("EXPERIMENTAL-afxdp", kBool, "false", "", "XDP sockets"),
    Inert("reproduce-nat", kBool, "false", "", "copy the host's NAT rules"),
    Inert("reproduce-nftables", kBool, "false", "", "copy the host's nftables rules"),
    Inert("pause-external-networking", kBool, "false", "", "start with the network paused"),
    Inert("net-disconnect-ok", kBool, "true", "", "checkpoint may drop connections"),
    Inert("allow-live-tcp-migration", kBool, "true", "", "checkpoint may keep connections"),
    Inert("allow-connected-on-save", kBool, "false", "", "checkpoint with connections"),
    Inert("restore-spec-validation", kEnum, "enforce", "enforce|warning|ignore", "spec check at restore"),
    // Devices.
    Inert("nvproxy", kBool, "false", "", "NVIDIA devices"),
    Inert("nvproxy-docker", kBool, "false", "", "NVIDIA devices by Docker's convention"),
    Inert("nvproxy-driver-version", kString, "", "", "NVIDIA driver version"),
    Inert("nvproxy-allow-unsupported-driver", kBool, "false", "", "any NVIDIA driver"),
    Inert("nvproxy-allowed-driver-capabilities", kString, "utility,compute", "", "NVIDIA capabilities"),
    Inert("tpuproxy", kBool, "false", "", "TPU devices"),
    Inert("rdmaproxy", kBool, "false", "", "RDMA devices"),
    // Of older releases and of runc; clients still pass them.
    Inert("overlay", kBool, "false", "", "use --overlay2"),
    Inert("vfs2", kBool, "true", "", "always on"),
    Inert("fuse", kBool, "true", "", "always on"),
    Inert("lisafs", kBool, "true", "", "always on"),
    Inert("cgroupfs", kBool, "false", "", "no effect"),
    Inert("fsgofer-host-uds", kBool, "false", "", "use --host-uds"),
    Inert("buffer-pooling", kBool, "true", "", "always on"),
    Inert("save-restore-netstack", kBool, "true", "", "always on"),
    Inert("TESTONLY-unsafe-nonroot", kBool, "false", "", "tests only"),
    Inert("TESTONLY-test-name-env", kString, "", "", "tests only"),
    Inert("TESTONLY-nftables", kBool, "false", "", "tests only"),
    Inert("TESTONLY-allow-packet-endpoint-write", kBool, "false", "", "tests only"),
    Inert("criu", kString, "criu", "", "runc's; no criu here"),
    {"cgroup-manager", kEnum, "", "|cgroupfs|systemd|disabled", "crun's; how cgroups are made"},
    {"version", kBool, "false", "", "print the version", "v"},
    // Set by runsc itself for its child processes.
    {"log-fd", kInt, "-1", "", "internal: descriptor of --log"},
    {"debug-log-fd", kInt, "-1", "", "internal: descriptor of --debug-log"},
    {"panic-log-fd", kInt, "-1", "", "internal: descriptor of --panic-log"},
};

absl::Status ParseSizeSuffix(std::string_view text, OverlayOption& option) {
  uint64_t unit = 1;
  if (ConsumeSuffix(text, "g") || ConsumeSuffix(text, "G"))
    unit = 1ull << 30;
  else if (ConsumeSuffix(text, "m") || ConsumeSuffix(text, "M"))
    unit = 1ull << 20;
  else if (ConsumeSuffix(text, "k") || ConsumeSuffix(text, "K"))
    unit = 1ull << 10;
  const std::optional<uint64_t> number = ParseNumber<uint64_t>(text);
  if (!number || *number > (1ull << 62) / unit) {
    return InvalidArgument("--overlay2: size= needs a number with k, m or g");
  }
  option.size_limit = *number * unit;
  return absl::OkStatus();
}

absl::Status ParseMedium(std::string_view medium, OverlayOption& option) {
  if (medium == "memory") {
    option.medium = OverlayOption::Medium::kMemory;
  } else if (medium == "self") {
    option.medium = OverlayOption::Medium::kSelf;
  } else if (ConsumePrefix(medium, "dir=") && medium.starts_with("/")) {
    option.medium = OverlayOption::Medium::kDirectory;
    option.directory = std::string(medium);
  } else {
    return InvalidArgument("--overlay2: medium must be memory, self or dir=/ABSOLUTE");
  }
  return absl::OkStatus();
}

}  // namespace

std::span<const FlagDef> GlobalFlags() { return kGlobalFlags; }

std::string StateRoot(const FlagSet& globals) {
  if (!globals.GetString("root").empty()) return globals.GetString("root");
  const char* runtime_dir = getenv("XDG_RUNTIME_DIR");
  if (runtime_dir != nullptr && runtime_dir[0] == '/') return Cat(runtime_dir, "/runsc");
  return geteuid() == 0 ? "/var/run/runsc" : Cat("/run/user/", geteuid(), "/runsc");
}

absl::StatusOr<OverlayOption> ParseOverlayOption(std::string_view text) {
  OverlayOption option;
  if (text == "none") return option;
  const size_t colon = text.find(':');
  const std::string_view scope = text.substr(0, colon);
  if (colon == text.npos || (scope != "root" && scope != "all")) {
    return InvalidArgument("--overlay2: \"", text, "\" is not none, root:MEDIUM or all:MEDIUM");
  }
  option.scope = scope == "root" ? OverlayOption::Scope::kRoot : OverlayOption::Scope::kAll;
  std::string_view medium = text.substr(colon + 1);
  const size_t comma = medium.find(",size=");
  if (comma != medium.npos) {
    absl::Status size = ParseSizeSuffix(medium.substr(comma + 6), option);
    if (!size.ok()) return size;
    medium = medium.substr(0, comma);
  }
  if (absl::Status s = ParseMedium(medium, option); !s.ok()) return s;
  return option;
}

absl::Status TakeFlagsOfEnvironment(FlagSet& globals) {
  const char* platform = getenv("RUNSC_PLATFORM");
  if (platform == nullptr || *platform == 0 || globals.IsSet("platform")) return absl::OkStatus();
  const std::string flag = Cat("--platform=", platform);
  const std::string_view args[] = {flag};
  const auto used = globals.Parse(args);
  return used.ok() ? absl::OkStatus() : InvalidArgument("RUNSC_PLATFORM: ", MessageOf(used.status()));
}

absl::Status CheckGlobalFlags(const FlagSet& globals) {
  return ParseOverlayOption(globals.GetString("overlay2")).status();
}

}  // namespace runsc
