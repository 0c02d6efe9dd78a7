// Tables of capability, resource limit and signal names.
#include "runsc-cli/oci/names.h"

#include <signal.h>
#include <sys/resource.h>

#include <cstddef>
#include <string>

#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

constexpr std::string_view kCapabilities[] = {"CAP_CHOWN",
                                              "CAP_DAC_OVERRIDE",
                                              "CAP_DAC_READ_SEARCH",
                                              "CAP_FOWNER",
                                              "CAP_FSETID",
                                              "CAP_KILL",
                                              "CAP_SETGID",
                                              "CAP_SETUID",
                                              "CAP_SETPCAP",
                                              "CAP_LINUX_IMMUTABLE",
                                              "CAP_NET_BIND_SERVICE",
                                              "CAP_NET_BROADCAST",
                                              "CAP_NET_ADMIN",
                                              "CAP_NET_RAW",
                                              "CAP_IPC_LOCK",
                                              "CAP_IPC_OWNER",
                                              "CAP_SYS_MODULE",
                                              "CAP_SYS_RAWIO",
                                              "CAP_SYS_CHROOT",
                                              "CAP_SYS_PTRACE",
                                              "CAP_SYS_PACCT",
                                              "CAP_SYS_ADMIN",
                                              "CAP_SYS_BOOT",
                                              "CAP_SYS_NICE",
                                              "CAP_SYS_RESOURCE",
                                              "CAP_SYS_TIME",
                                              "CAP_SYS_TTY_CONFIG",
                                              "CAP_MKNOD",
                                              "CAP_LEASE",
                                              "CAP_AUDIT_WRITE",
                                              "CAP_AUDIT_CONTROL",
                                              "CAP_SETFCAP",
                                              "CAP_MAC_OVERRIDE",
                                              "CAP_MAC_ADMIN",
                                              "CAP_SYSLOG",
                                              "CAP_WAKE_ALARM",
                                              "CAP_BLOCK_SUSPEND",
                                              "CAP_AUDIT_READ",
                                              "CAP_PERFMON",
                                              "CAP_BPF",
                                              "CAP_CHECKPOINT_RESTORE"};

struct Named {
  std::string_view name;
  int value;
};

constexpr Named kRlimits[] = {{"RLIMIT_CPU", RLIMIT_CPU},           {"RLIMIT_FSIZE", RLIMIT_FSIZE},
                              {"RLIMIT_DATA", RLIMIT_DATA},         {"RLIMIT_STACK", RLIMIT_STACK},
                              {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_RSS", RLIMIT_RSS},
                              {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_NOFILE", RLIMIT_NOFILE},
                              {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},   {"RLIMIT_AS", RLIMIT_AS},
                              {"RLIMIT_LOCKS", RLIMIT_LOCKS},       {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
                              {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
                              {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},     {"RLIMIT_RTTIME", RLIMIT_RTTIME}};

constexpr Named kSignals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},     {"QUIT", SIGQUIT},     {"ILL", SIGILL},       {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT}, {"IOT", SIGIOT},     {"BUS", SIGBUS},       {"FPE", SIGFPE},       {"KILL", SIGKILL},
    {"USR1", SIGUSR1}, {"SEGV", SIGSEGV},   {"USR2", SIGUSR2},     {"PIPE", SIGPIPE},     {"ALRM", SIGALRM},
    {"TERM", SIGTERM}, {"CHLD", SIGCHLD},   {"CLD", SIGCHLD},      {"CONT", SIGCONT},     {"STOP", SIGSTOP},
    {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},   {"TTOU", SIGTTOU},     {"URG", SIGURG},       {"XCPU", SIGXCPU},
    {"XFSZ", SIGXFSZ}, {"PROF", SIGPROF},   {"VTALRM", SIGVTALRM}, {"IO", SIGIO},         {"POLL", SIGPOLL},
    {"PWR", SIGPWR},   {"WINCH", SIGWINCH}, {"SYS", SIGSYS},       {"STKFLT", SIGSTKFLT}, {"UNUSED", SIGSYS}};

// The first real-time signal a program may use: glibc keeps 32 and 33.
constexpr int kRtMin = 34;
constexpr int kRtMax = 64;

template <size_t N>
std::optional<int> Find(const Named (&table)[N], std::string_view name) {
  for (const Named& row : table) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

std::optional<int> InSignalRange(std::optional<int> number) {
  if (!number || *number < 0 || *number > kRtMax) return std::nullopt;
  return number;
}

std::optional<int> RealTimeSignal(std::string_view name) {
  const bool from_min = ConsumePrefix(name, "RTMIN");
  if (!from_min && !ConsumePrefix(name, "RTMAX")) return std::nullopt;
  if (name.empty()) return from_min ? kRtMin : kRtMax;
  if (!ConsumePrefix(name, from_min ? "+" : "-")) return std::nullopt;
  const std::optional<int> offset = ParseNumber<int>(name);
  if (!offset || *offset < 0 || *offset > kRtMax - kRtMin) return std::nullopt;
  return from_min ? kRtMin + *offset : kRtMax - *offset;
}

}  // namespace

std::optional<int> CapabilityFromName(std::string_view name) {
  for (size_t i = 0; i < std::size(kCapabilities); ++i) {
    if (kCapabilities[i] == name) return static_cast<int>(i);
  }
  return std::nullopt;
}

std::string_view CapabilityName(int capability) {
  const bool known = capability >= 0 && static_cast<size_t>(capability) < std::size(kCapabilities);
  return known ? kCapabilities[capability] : std::string_view();
}

std::optional<int> RlimitFromName(std::string_view name) { return Find(kRlimits, name); }

std::string_view RlimitName(int resource) {
  for (const Named& row : kRlimits) {
    if (row.value == resource) return row.name;
  }
  return {};
}

std::optional<int> SignalFromName(std::string_view name) {
  if (std::optional<int> number = ParseNumber<int>(name)) return InSignalRange(number);
  std::string upper(name);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c -= 'a' - 'A';
  }
  std::string_view bare = upper;
  ConsumePrefix(bare, "SIG");
  if (std::optional<int> signal = Find(kSignals, bare)) return signal;
  return RealTimeSignal(bare);
}

}  // namespace runsc
