// Internal verb boot: the sentry process. Confines itself, assembles the kernel, runs the container's
// init and exits with its status.
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "platform/host/jail_unsafe.h"
#include "platform/host/status_util.h"
#include "platform/systrap/systrap_platform.h"
#include "runsc-cli/base/crash_report_unsafe.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/boot/guest_init.h"
#include "runsc-cli/boot/guest_mounts.h"
#include "runsc-cli/boot/init_controller.h"
#include "runsc-cli/verbs/verb.h"
#include "sentry/fs/clock_watch.h"
#include "sentry/fs/devfs.h"
#include "sentry/fs/devpts.h"
#include "sentry/fs/pipe_file.h"
#include "sentry/fs/simple_fs_host.h"
#include "sentry/fs/stdio_file.h"
#include "sentry/kernel/fd_table.h"
#include "sentry/kernel/task.h"
#include "sentry/net/net_stack.h"
#include "sentry/net/socket_listing.h"
#include "syscalls/strace.h"
#include "syscalls/table.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"bundle", FlagKind::kString, "", "", "bundle directory, for relative bind sources"},
    {"spec-fd", FlagKind::kInt, "-1", "", "config.json"},
    {"sync-fd", FlagKind::kInt, "-1", "", "socket of the command that made us"},
    {"control-fd", FlagKind::kInt, "-1", "", "listening control socket"},
    {"network-fd", FlagKind::kInt, "-1", "", "channel to the network broker"},
    {"gofer-fd", FlagKind::kList, "", "", "channel to the gofer"},
};

// What boot is given and what it makes, in the order of construction. Never destroyed: the process ends
// with _exit, which is faster and cannot go wrong.
struct Sentry {
  Spec spec;
  MountPlan plan;
  OverlayOption overlay;
  SentryJail jail;
  std::unique_ptr<Platform> platform;
  std::unique_ptr<GoferClient> gofer;
  std::unique_ptr<UpperStore> upper;
  MemfdStore memory;
  RefPtr<Vfs> vfs;
  SyscallTable syscalls;
  std::unique_ptr<Kernel> kernel;
  std::unique_ptr<InitController> controller;
  std::unique_ptr<ControlServer> server;
};

absl::Status ReadConfiguration(const Invocation& invocation, Sentry& sentry) {
  const int fd = static_cast<int>(invocation.flags.GetInt("spec-fd"));
  ASSIGN_OR_RETURN(std::string json, ReadFileAt(AT_FDCWD, Cat("/proc/self/fd/", fd), kMaxSpecBytes));
  close(fd);
  ASSIGN_OR_RETURN(sentry.spec, ParseSpec(json));
  ASSIGN_OR_RETURN(sentry.plan, PlanMounts(sentry.spec, invocation.flags.GetString("bundle")));
  ASSIGN_OR_RETURN(sentry.overlay, ParseOverlayOption(invocation.globals.GetString("overlay2")));
  return absl::OkStatus();
}

// The kernel, once there is one, for callbacks of the platform's own threads.
std::atomic<Kernel*> running_kernel{nullptr};

void OnStubDeath(pid_t host_pid) {
  LogInfo("platform: a stub was killed from outside: host pid ", host_pid);
  if (Kernel* kernel = running_kernel.load()) kernel->OnAddressSpaceDeath(host_pid);
}

void LogPlatformLine(const char* line) { LogInfo("platform: ", line); }

// The platform forks its first stub before the filter forbids it.
absl::Status Confine(const FlagSet& globals, Sentry& sentry) {
  OpenHostFacts();
  if (!ClockWatch::Get().Open()) LogInfo("clock: jumps of the host's clock will not be noticed");
  ASSIGN_OR_RETURN(sentry.jail, EnterSentryJail());
  if (!sentry.jail.warning.empty()) LogInfo("jail: ", sentry.jail.warning);
  SystrapOptions options;
  options.patching = !globals.GetBool("systrap-disable-syscall-patching");
  options.spin = !globals.GetBool("systrap-disable-fast-path");
  options.proc_fd = sentry.jail.proc_root.get();
  options.log = LogPlatformLine;
  options.on_stub_death = OnStubDeath;
  ASSIGN_OR_RETURN(sentry.platform, NewSystrapPlatform(options));
  SetProcfsForReopen(sentry.jail.proc_root.get());
  return LockDownSentry(sentry.jail.proc_root.get());
}

absl::Status OpenFiles(const Invocation& invocation, Sentry& sentry) {
  std::vector<UniqueFd> channels;
  for (const std::string& text : invocation.flags.GetList("gofer-fd")) {
    channels.emplace_back(ParseNumber<int>(text).value_or(-1));
  }
  sentry.gofer = std::make_unique<GoferClient>(std::move(channels));
  sentry.upper = std::make_unique<UpperStore>(
      *sentry.gofer, !sentry.spec.root->readonly && sentry.overlay.medium == OverlayOption::Medium::kSelf);
  RegisterMemoryDevices();
  RegisterFifos();
  RegisterTerminals();
  PublishProcNet();
  sentry.vfs = MakeRef<Vfs>();
  return MountGuestRoot(*sentry.vfs, *sentry.gofer, *sentry.upper, sentry.spec, sentry.overlay);
}

// The host's network, if we were given a way to it. --network=sandbox will be a stack of our own for the links of the
// namespace; until then it is the host's where there are links, and loopback where there are none.
absl::Status ChooseNetwork(const Invocation& invocation) {
  const int fd = static_cast<int>(invocation.flags.GetInt("network-fd"));
  if (fd < 0) return absl::OkStatus();
  const bool required = invocation.globals.GetString("network") == "host";
  Result<RefPtr<HostNetwork>> host = HostNetwork::Open(UniqueFd(fd));
  if (!host.ok() && required) return HostError(host.error().value(), "--network=host: the network broker (--debug-log has more)");
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

absl::Status ChooseSyscalls(const FlagSet& globals, Sentry& sentry) {
  sentry.syscalls = GetSyscallTable();
  if (!globals.GetBool("strace")) return absl::OkStatus();
  StraceOptions options;
  options.log = [](std::string_view line) { Log::Write(LogLevel::kInfo, line); };
  options.filter = globals.GetString("strace-syscalls");
  options.max_bytes = static_cast<size_t>(globals.GetInt("strace-log-size"));
  std::string error;
  if (!EnableStrace(sentry.syscalls, std::move(options), &error)) {
    return absl::InvalidArgumentError(Cat("--strace-syscalls: ", error));
  }
  return absl::OkStatus();
}

void MakeKernel(Sentry& sentry) {
  Kernel::Options options;
  options.platform = sentry.platform.get();
  options.syscalls = &sentry.syscalls;
  options.vfs = sentry.vfs;
  options.backing = &sentry.memory;
  if (!sentry.spec.hostname.empty()) options.uts.hostname = sentry.spec.hostname;
  if (!sentry.spec.domainname.empty()) options.uts.domainname = sentry.spec.domainname;
  options.cpus = CountCpus();
  sentry.kernel = std::make_unique<Kernel>(std::move(options));
  running_kernel = sentry.kernel.get();
}

// Descriptors 0 to 2: the container's stdio, which are our own.
absl::StatusOr<RefPtr<FdTable>> MakeStdio() {
  auto table = MakeRef<FdTable>();
  for (int fd = 0; fd < 3; ++fd) {
    Result<RefPtr<File>> file = NewStdioFile(UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 3)));
    if (!file.ok()) return HostError(file.error().value(), "stdio descriptor %d", fd);
    if (!table->InstallAt(fd, *file, false, RLIM_INFINITY).ok()) return absl::InternalError("stdio");
  }
  return table;
}

void ServeControl(const Invocation& invocation, const ControlChannel& sync, Sentry& sentry) {
  sentry.controller = std::make_unique<InitController>(*sentry.kernel);
  const Result<uid_t> owner = PeerUid(sync.fd());
  UniqueFd listener(static_cast<int>(invocation.flags.GetInt("control-fd")));
  sentry.server = std::make_unique<ControlServer>(std::move(listener), owner.ok() ? *owner : 0, *sentry.controller);
  std::thread([&sentry] { sentry.server->Serve(); }).detach();
}

absl::Status Assemble(const Invocation& invocation, const ControlChannel& sync, Sentry& sentry) {
  RETURN_IF_ERROR(ReadConfiguration(invocation, sentry));
  RETURN_IF_ERROR(Confine(invocation.globals, sentry));
  RETURN_IF_ERROR(OpenFiles(invocation, sentry));
  RETURN_IF_ERROR(ChooseSyscalls(invocation.globals, sentry));
  RETURN_IF_ERROR(ChooseNetwork(invocation));
  MakeKernel(sentry);
  ServeControl(invocation, sync, sentry);
  return absl::OkStatus();
}

// The status a shell would show.
int ExitCode(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

[[noreturn]] void Finish(Sentry& sentry, int wait_status) {
  sentry.controller->Exited(wait_status);
  sentry.server->FinishReplies();
  _exit(ExitCode(wait_status));
}

// Runs inside StartInit, as the future init: everything between "created" and "started".
absl::Status PrepareInit(Task& task, Sentry& sentry, InitProcess& init, const ControlChannel& sync,
                         bool* ready) {
  RETURN_IF_ERROR(MountAll(task, *sentry.gofer, sentry.memory, sentry.plan, sentry.spec, sentry.overlay));
  const Result<Path> cwd = MakeGuestDirectories(task, init.cwd);
  if (!cwd.ok()) return HostError(cwd.error().value(), "working directory %s", init.cwd.c_str());
  AddHome(task, init);
  RETURN_IF_ERROR(CheckArgumentSize(init, task.rlimit(RLIMIT_STACK)));
  ASSIGN_OR_RETURN(init.path, FindProgram(task, init));
  *ready = true;
  if (!sentry.controller->AwaitStart(sync)) Finish(sentry, sentry.controller->early_signal());
  return absl::OkStatus();
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  ReportCrashes("runsc-sandbox");
  ControlChannel sync{UniqueFd(static_cast<int>(invocation.flags.GetInt("sync-fd")))};
  Sentry& sentry = *new Sentry;
  absl::Status status = Assemble(invocation, sync, sentry);
  InitProcess init;
  bool ready = false;
  if (status.ok()) {
    init = MakeInitProcess(*sentry.spec.process, invocation.globals.GetBool("net-raw"));
    absl::StatusOr<RefPtr<FdTable>> stdio = MakeStdio();
    status = stdio.status();
    if (stdio.ok()) init.fds = *std::move(stdio);
  }
  if (status.ok()) {
    init.prepare = [&](Task& task) { return PrepareInit(task, sentry, init, sync, &ready); };
    status = sentry.kernel->StartInit(init);
  }
  if (!ready) {
    sync.Send({ControlType::kReady, ToErrno(status).value(), MessageOf(status)}).IgnoreError();
    _exit(kFailureStatus);
  }
  sentry.controller->Started(status, std::move(sync));
  if (!status.ok()) LogInfo("start: ", MessageOf(status));
  Finish(sentry, status.ok() ? sentry.kernel->WaitForInit() : kFailureStatus << 8);
}

}  // namespace

const Verb kBootVerb = {"boot", "<container-id>", "run a container's kernel", kFlags, 1, 1, Run, true, true};

}  // namespace runsc
