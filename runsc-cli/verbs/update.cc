// runsc update: changes a container's limits.
#include <fcntl.h>
#include <unistd.h>

#include <cctype>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/container_cgroup.h"
#include "runsc-cli/cgroup/stats.h"
#include "runsc-cli/container/store.h"
#include "runsc-cli/sandbox/call.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagKind kText = FlagKind::kString;
constexpr FlagDef kFlags[] = {
    {"resources", kText, "", "", "file with linux.resources as JSON, or - for standard input", "r"},
    {"blkio-weight", kText, "", "", "weight of block I/O, 10 to 1000"},
    {"cpu-period", kText, "", "", "microseconds in which the quota holds"},
    {"cpu-quota", kText, "", "", "microseconds of CPU time in a period"},
    {"cpu-burst", kText, "", "", "microseconds that may be saved up"},
    {"cpu-share", kText, "", "", "share of CPU time against others"},
    {"cpu-rt-period", kText, "", "", "microseconds of a real-time period"},
    {"cpu-rt-runtime", kText, "", "", "microseconds of real-time CPU time in a period"},
    {"cpu-idle", kText, "", "", "1: only idle CPU time"},
    {"cpuset-cpus", kText, "", "", "CPUs to use, such as 0-2,4"},
    {"cpuset-mems", kText, "", "", "memory nodes to use"},
    {"memory", kText, "", "", "memory limit in bytes, or with k, m, g; -1: none", "m"},
    {"memory-reservation", kText, "", "", "memory that is left to the container under pressure"},
    {"memory-swap", kText, "", "", "limit of memory and swap together; -1: none"},
    {"kernel-memory", kText, "", "", "no such limit in current kernels", "", false},
    {"kernel-memory-tcp", kText, "", "", "memory of TCP buffers"},
    {"pids-limit", kText, "", "", "number of tasks; -1: any"},
    {"l3-cache-schema", kText, "", "", "resctrl; not available in a sandbox"},
    {"mem-bw-schema", kText, "", "", "resctrl; not available in a sandbox"},
};

constexpr size_t kMaxResources = 1 << 20;

// A number, for sizes with k, m or g behind it.
absl::StatusOr<int64_t> ParseAmount(std::string_view flag, std::string_view text, bool size) {
  const std::string_view whole = text;
  int shift = 0;
  if (size && !text.empty() && !isdigit(static_cast<unsigned char>(text.back()))) {
    if (text.size() > 1 && (text.back() == 'b' || text.back() == 'B')) text.remove_suffix(1);
    const size_t unit = std::string_view("kmgt").find(static_cast<char>(tolower(text.back())));
    if (unit != std::string_view::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      text.remove_suffix(1);
    }
  }
  const std::optional<int64_t> number = ParseNumber<int64_t>(text);
  if (number && *number >= -1 && *number <= INT64_MAX >> shift) return *number < 0 ? -1 : *number << shift;
  return InvalidArgument("--", flag, ": \"", whole, "\" is no amount");
}

// One flag into one field, if it was given.
class FlagReader {
 public:
  explicit FlagReader(const FlagSet& flags) : flags_(flags) {}
  template <typename T>
  void Take(const char* flag, std::optional<T>& field, bool size = false) {
    if (!flags_.IsSet(flag) || !status_.ok()) return;
    const absl::StatusOr<int64_t> amount = ParseAmount(flag, flags_.GetString(flag), size);
    if (amount.ok()) field = static_cast<T>(*amount);
    status_ = amount.status();
  }
  void Take(const char* flag, std::string& field) {
    if (flags_.IsSet(flag)) field = flags_.GetString(flag);
  }
  const absl::Status& status() const { return status_; }

 private:
  const FlagSet& flags_;
  absl::Status status_;
};

absl::Status TakeFlags(const FlagSet& flags, SpecResources& out) {
  for (const char* name : {"l3-cache-schema", "mem-bw-schema"}) {
    if (flags.IsSet(name)) return absl::UnimplementedError(Cat("--", name, ": not supported"));
  }
  FlagReader read(flags);
  read.Take("blkio-weight", out.block.weight);
  read.Take("cpu-period", out.cpu.period);
  read.Take("cpu-quota", out.cpu.quota);
  read.Take("cpu-burst", out.cpu.burst);
  read.Take("cpu-share", out.cpu.shares);
  read.Take("cpu-rt-period", out.cpu.realtime_period);
  read.Take("cpu-rt-runtime", out.cpu.realtime_runtime);
  read.Take("cpu-idle", out.cpu.idle);
  read.Take("cpuset-cpus", out.cpu.cpus);
  read.Take("cpuset-mems", out.cpu.mems);
  read.Take("memory", out.memory.limit, true);
  read.Take("memory-reservation", out.memory.reservation, true);
  read.Take("memory-swap", out.memory.swap, true);
  read.Take("kernel-memory-tcp", out.memory.kernel_tcp, true);
  read.Take("pids-limit", out.pids_limit);
  return read.status();
}

absl::StatusOr<std::string> ReadInput(const std::string& file) {
  if (file != "-") return ReadFileAt(AT_FDCWD, file, kMaxResources);
  std::string text;
  char buffer[4096];
  ssize_t n;
  while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0 && text.size() <= kMaxResources) {
    text.append(buffer, static_cast<size_t>(n));
  }
  if (n < 0) return HostError(errno, "read standard input");
  return text;
}

absl::StatusOr<SpecResources> ResourcesOf(const FlagSet& flags) {
  SpecResources resources;
  if (flags.IsSet("resources")) {
    ASSIGN_OR_RETURN(const std::string text, ReadInput(flags.GetString("resources")));
    absl::StatusOr<SpecResources> parsed = ParseResources(text);
    if (!parsed.ok()) return InvalidArgument("--resources: ", MessageOf(parsed.status()));
    resources = *std::move(parsed);
  }
  RETURN_IF_ERROR(TakeFlags(flags, resources));
  return resources;
}

// The kernel would make room by killing.
absl::Status CheckMemory(const CgroupPaths& paths, const MemoryResources& memory) {
  if (!memory.check_before_update || memory.limit.value_or(0) <= 0) return absl::OkStatus();
  const uint64_t usage = ReadCgroupStats(paths).memory.memory.usage;
  if (static_cast<uint64_t>(*memory.limit) >= usage) return absl::OkStatus();
  return InvalidArgument("memory limit ", *memory.limit, " is below the ", usage, " bytes in use");
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  const std::string id(invocation.args[0]);
  ASSIGN_OR_RETURN(const SpecResources resources, ResourcesOf(invocation.flags));
  ASSIGN_OR_RETURN(StateStore store, StateStore::Open(StateRoot(invocation.globals)));
  ASSIGN_OR_RETURN(const StateDirectory directory, store.Lock(id));
  ASSIGN_OR_RETURN(const ContainerState state, directory.Read());
  if (CurrentStatus(state) == ContainerStatus::kStopped) {
    return absl::FailedPreconditionError(Cat("container \"", id, "\": container not running"));
  }
  if (state.cgroups.empty()) {
    return absl::FailedPreconditionError(Cat("container \"", id, "\" has no cgroup, and so no limits"));
  }
  RETURN_IF_ERROR(CheckMemory(state.cgroups, resources.memory));
  RETURN_IF_ERROR(UpdateContainerCgroup(state.cgroups, state.systemd_unit, resources));
  if (resources.pids_limit) {
    RETURN_IF_ERROR(TellSandbox(store, state, ControlType::kLimit, ToWire(LimitRequest{id, *resources.pids_limit})));
  }
  return 0;
}

}  // namespace

const Verb kUpdateVerb = {"update", "<container-id>", "change a container's limits", kFlags, 1, 1, Run};

}  // namespace runsc
