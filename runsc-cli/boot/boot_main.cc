// Internal verb boot: the sentry process. Confines itself, assembles the kernel, makes the first container and exits
// with the status of its init.
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include "platform/host/jail_unsafe.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/crash_report_unsafe.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/boot/choose_platform.h"
#include "runsc-cli/boot/container_table.h"
#include "runsc-cli/boot/guest_container.h"
#include "runsc-cli/boot/strace_log.h"
#include "runsc-cli/container/oom_score.h"
#include "runsc-cli/verbs/verb.h"
#include "sentry/fs/clock_watch.h"
#include "sentry/fs/core_sysctl.h"
#include "sentry/fs/devfs.h"
#include "sentry/fs/devpts.h"
#include "sentry/fs/ipc_sysctl.h"
#include "sentry/fs/mount_sysctl.h"
#include "sentry/fs/pipe_file.h"
#include "sentry/fs/simple_fs_host.h"
#include "sentry/kernel/kernel.h"
#include "sentry/net/net_stack.h"
#include "sentry/net/net_sysctl.h"
#include "sentry/net/socket_listing.h"
#include "syscalls/table.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"bundle", FlagKind::kString, "", "", "bundle directory, for relative bind sources"},
    {"spec-fd", FlagKind::kInt, "-1", "", "config.json"},
    {"sync-fd", FlagKind::kInt, "-1", "", "socket of the command that made us"},
    {"control-fd", FlagKind::kInt, "-1", "", "listening control socket"},
    {"network-fd", FlagKind::kInt, "-1", "", "channel to the network broker"},
    {"link-fd", FlagKind::kInt, "-1", "", "link to the container's monitor"},
    {"inherited-fd", FlagKind::kList, "", "", "FD,NUMBER: descriptor the container inherits"},
    {"cgroup-file", FlagKind::kList, "", "", "FD,NAME: file of the container's cgroup that the guest may see"},
    {"gofer-fd", FlagKind::kList, "", "", "channel to the gofer"},
};

// What boot is given and what it makes, in the order of construction. Never destroyed: the process ends
// with _exit, which is faster and cannot go wrong.
struct Sentry {
  ContainerParts first;  // the first container's
  SandboxParts parts;
  SentryJail jail;
  std::unique_ptr<Platform> platform;
  RefPtr<Vfs> vfs;
  SyscallTable syscalls;
  std::unique_ptr<Kernel> kernel;
  std::shared_ptr<GuestContainer> container;  // the first one: the sandbox ends with it
  std::unique_ptr<ContainerTable> table;
  std::unique_ptr<ControlServer> server;
};

UniqueFd FdFlag(const Invocation& invocation, std::string_view name) {
  return UniqueFd(static_cast<int>(invocation.flags.GetInt(name)));
}

std::vector<UniqueFd> FdFlags(const Invocation& invocation, std::string_view name) {
  std::vector<UniqueFd> fds;
  for (const std::string& text : invocation.flags.GetList(name)) fds.emplace_back(ParseNumber<int>(text).value_or(-1));
  return fds;
}

// A container without a UTS namespace of its own has the host's name, of which the sandbox's namespace is a copy.
std::string HostNameOf(const Spec& spec) {
  const auto& namespaces = spec.linux_.namespaces;
  const bool own = std::ranges::any_of(namespaces, [](const SpecNamespace& ns) { return ns.type == "uts"; });
  char name[HOST_NAME_MAX + 1] = {};
  if (!spec.hostname.empty() || own || gethostname(name, HOST_NAME_MAX) != 0) return spec.hostname;
  return name;
}

absl::Status ReadConfiguration(const Invocation& invocation, Sentry& sentry) {
  ASSIGN_OR_RETURN(std::string json, ReadFd(FdFlag(invocation, "spec-fd").get(), kMaxSpecBytes));
  ContainerParts& first = sentry.first;
  first.id = invocation.args[0];
  first.bundle = invocation.flags.GetString("bundle");
  ASSIGN_OR_RETURN(first.spec, ParseSpec(json));
  first.spec.hostname = HostNameOf(first.spec);
  ASSIGN_OR_RETURN(first.plan, PlanMounts(first.spec, first.bundle));
  first.gofer_channels = FdFlags(invocation, "gofer-fd");
  for (const std::string& text : invocation.flags.GetList("cgroup-file")) {
    const size_t comma = text.find(',');
    if (comma == text.npos) return InvalidArgument("--cgroup-file: malformed");
    first.cgroup_files.push_back(
        {text.substr(comma + 1), UniqueFd(ParseNumber<int>(text.substr(0, comma)).value_or(-1))});
  }
  first.link = FdFlag(invocation, "link-fd");
  for (int fd = 0; fd < 3; ++fd) first.fds.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  for (const std::string_view text : invocation.flags.GetList("inherited-fd")) {
    const size_t comma = std::min(text.find(','), text.size() - 1);
    const std::optional<int> number = ParseNumber<int>(text.substr(comma + 1));
    if (!number) return InvalidArgument("--inherited-fd: malformed");
    first.inherited.push_back({*number, UniqueFd(ParseNumber<int>(text.substr(0, comma)).value_or(-1))});
  }
  ASSIGN_OR_RETURN(sentry.parts.overlay, ParseOverlayOption(invocation.globals.GetString("overlay2")));
  sentry.parts.keep_net_raw = invocation.globals.GetBool("net-raw");
  sentry.parts.honour_seccomp = invocation.globals.GetBool("oci-seccomp");
  return absl::OkStatus();
}

// The kernel, once there is one, for callbacks of the platform's own threads.
std::atomic<Kernel*> running_kernel{nullptr};

void OnStubDeath(pid_t host_pid) {
  LogInfo("platform: a stub was killed from outside: host pid ", host_pid);
  if (Kernel* kernel = running_kernel.load()) kernel->OnAddressSpaceDeath(host_pid);
}

// The platform forks its first stub before the filter forbids it.
absl::Status Confine(const FlagSet& globals, Sentry& sentry) {
  std::optional<ScopedOomScoreAdj> of_stubs;  // the host's procfs is out of reach later
  if (const auto value = sentry.first.spec.process->oom_score_adj) of_stubs.emplace(*value);
  if (of_stubs && !of_stubs->status().ok()) LogInfo("the container's OOM adjustment: ", MessageOf(of_stubs->status()));
  OpenHostFacts();
  if (!ClockWatch::Get().Open()) LogInfo("clock: jumps of the host's clock will not be noticed");
  ASSIGN_OR_RETURN(sentry.jail, EnterSentryJail());
  if (!sentry.jail.warning.empty()) LogInfo("jail: ", sentry.jail.warning);
  const int proc_root = sentry.jail.proc_root.get();
  ASSIGN_OR_RETURN(ChosenPlatform chosen, ChoosePlatform(globals, proc_root, OnStubDeath));
  sentry.platform = std::move(chosen.platform);
  of_stubs.reset();
  SetProcfsForReopen(proc_root);
  ReserveDescriptors();
  return LockDownSentry(proc_root, chosen.traces_stubs);
}

void RegisterFiles() {
  RegisterMemoryDevices();
  RegisterFifos();
  RegisterTerminals();
  PublishProcNet();
  PublishNetSysctls();
  PublishIpcSysctls();
  PublishCoreSysctls();
  PublishMountSysctl();
}

// The host's network, if we were given a way to it. --network=sandbox will be a stack of our own for the links of the
// namespace; until then it is the host's where there are links, and loopback where there are none.
absl::Status ChooseNetwork(const Invocation& invocation) {
  const int fd = static_cast<int>(invocation.flags.GetInt("network-fd"));
  if (fd < 0) return absl::OkStatus();
  const bool required = invocation.globals.GetString("network") == "host";
  Result<RefPtr<HostNetwork>> host = HostNetwork::Open(UniqueFd(fd));
  if (!host.ok() && required)
    return HostError(host.error().value(), "--network=host: the network broker (--debug-log has more)");
  if (!host.ok()) {
    LogInfo("network: no way into the container's network namespace; loopback only");
    return absl::OkStatus();
  }
  NetStack::First().UseHost(*std::move(host), required ? HostUse::kAlways : HostUse::kIfLinks);
  return absl::OkStatus();
}

int CountCpus() {
  cpu_set_t cpus;
  return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
}

absl::Status TraceFromTheStart(const FlagSet& globals, Kernel& kernel) {
  if (!globals.GetBool("strace")) return absl::OkStatus();
  const auto max_bytes = static_cast<size_t>(globals.GetInt("strace-log-size"));
  const absl::Status started = StartStrace(kernel, globals.GetString("strace-syscalls"), max_bytes, UniqueFd());
  return started.ok() ? started : absl::Status(started.code(), Cat("--strace-syscalls: ", MessageOf(started)));
}

void MakeKernel(Sentry& sentry) {
  const Spec& spec = sentry.first.spec;
  sentry.syscalls = GetSyscallTable();
  Kernel::Options options;
  options.platform = sentry.platform.get();
  options.syscalls = &sentry.syscalls;
  options.vfs = sentry.vfs = MakeRef<Vfs>();
  options.backing = &sentry.parts.memory;
  if (!spec.hostname.empty()) options.uts.hostname = spec.hostname;
  if (!spec.domainname.empty()) options.uts.domainname = spec.domainname;
  options.cpus = CountCpus();
  sentry.kernel = std::make_unique<Kernel>(std::move(options));
  sentry.parts.kernel = sentry.kernel.get();
  running_kernel = sentry.kernel.get();
}

absl::Status CreateFirstContainer(Sentry& sentry) {
  sentry.container = std::make_shared<GuestContainer>(sentry.parts, std::move(sentry.first));
  sentry.table = std::make_unique<ContainerTable>(sentry.parts);
  sentry.table->AddFirst(sentry.container);
  return sentry.container->CreateFirst(sentry.vfs);
}

absl::Status Assemble(const Invocation& invocation, Sentry& sentry) {
  RETURN_IF_ERROR(ReadConfiguration(invocation, sentry));
  RETURN_IF_ERROR(Confine(invocation.globals, sentry));
  RegisterFiles();
  RETURN_IF_ERROR(ChooseNetwork(invocation));
  MakeKernel(sentry);
  RETURN_IF_ERROR(TraceFromTheStart(invocation.globals, *sentry.kernel));
  return CreateFirstContainer(sentry);
}

void ServeControl(const Invocation& invocation, const ControlChannel& sync, Sentry& sentry) {
  const Result<uid_t> owner = PeerUid(sync.fd());
  sentry.server =
      std::make_unique<ControlServer>(FdFlag(invocation, "control-fd"), owner.ok() ? *owner : 0, *sentry.table);
  std::thread([&sentry] { sentry.server->Serve(); }).detach();
}

// Tells the command that the container is there and waits until it is on record; whether to start it now.
bool AwaitCommit(const ControlChannel& sync) {
  const absl::Status sent = sync.Send({ControlType::kReady, 0, {}, {}});
  const absl::StatusOr<ControlMessage> commit = sync.Receive();
  if (!sent.ok() || !commit.ok() || commit->type != ControlType::kCommit) {
    LogInfo("the command that created this sandbox is gone");
    _exit(kFailureStatus);
  }
  const std::optional<CommitRequest> request = commit->As<CommitRequest>();
  return request && request->start_now;
}

void StartNow(const ControlChannel& sync, GuestContainer& container) {
  const absl::Status started = container.Start();
  const int error = started.ok() ? 0 : static_cast<int>(EIO);
  sync.Send({ControlType::kCommit, error, MessageOf(started), {}}).IgnoreError();  // the command may be gone
}

// The status a shell would show.
int ExitCode(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  ReportCrashes("runsc-sandbox");
  ControlChannel sync{FdFlag(invocation, "sync-fd")};
  Sentry& sentry = *new Sentry;
  const absl::Status status = Assemble(invocation, sentry);
  if (!status.ok()) {
    sync.Send({ControlType::kReady, ToErrno(status).value(), MessageOf(status), {}}).IgnoreError();
    _exit(kFailureStatus);
  }
  const bool start_now = AwaitCommit(sync);
  ServeControl(invocation, sync, sentry);
  if (start_now) StartNow(sync, *sentry.container);
  sync.Close();
  const int wait_status = sentry.container->AwaitEnd();
  sentry.server->FinishReplies();
  _exit(ExitCode(wait_status));
}

}  // namespace

const Verb kBootVerb = {"boot", "<container-id>", "run a container's kernel", kFlags, 1, 1, Run, true, true};

}  // namespace runsc
