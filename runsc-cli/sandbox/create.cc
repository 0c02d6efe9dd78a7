#include "runsc-cli/sandbox/create.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <optional>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/container_cgroup.h"
#include "runsc-cli/container/oom_score.h"
#include "runsc-cli/control/channel.h"
#include "runsc-cli/sandbox/call.h"
#include "runsc-cli/sandbox/container_hooks.h"
#include "runsc-cli/sandbox/fd_socket.h"
#include "runsc-cli/sandbox/gofer_process.h"
#include "runsc-cli/sandbox/host_pids.h"
#include "runsc-cli/sandbox/monitor_unsafe.h"
#include "runsc-cli/sandbox/pod.h"
#include "runsc-cli/sandbox/sealed_copy.h"
#include "runsc-cli/sandbox/spawn.h"

namespace runsc {
namespace {

std::string NowText() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return FormatTime(now.tv_sec * 1'000'000'000LL + now.tv_nsec);
}

ContainerState NewState(const CreateOptions& options) {
  ContainerState state;
  state.id = options.id;
  state.sandbox_id = SandboxToJoin(options.bundle->spec);
  if (state.sandbox_id.empty()) state.sandbox_id = options.id;
  state.bundle = options.bundle->path;
  state.rootfs = options.bundle->rootfs;
  state.oci_version = options.bundle->spec.oci_version;
  state.annotations = options.bundle->spec.annotations;
  state.status = ContainerStatus::kCreating;
  state.creator = IdentifyProcess(getpid());
  state.owner_uid = getuid();
  state.created = NowText();
  return state;
}

// A network namespace that config.json asks for without a path is made for whoever puts links into it between `create`
// and `start`. When `run` does both nobody can, and none is needed.
MonitorOptions MonitorOptionsOf(const CreateOptions& options, const GuestStreams& streams) {
  MonitorOptions monitor;
  monitor.terminal = streams.controlling();
  for (const SpecNamespace& ns : options.bundle->spec.linux_.namespaces) {
    if (ns.type != "network") continue;
    monitor.netns_path = ns.path;
    if (!ns.path.empty()) monitor.network = MonitorOptions::Network::kPath;
    if (ns.path.empty() && !options.start_now) monitor.network = MonitorOptions::Network::kNew;
  }
  return monitor;
}

// One container in the making, step by step. What was made is undone unless Commit() succeeded.
class Creation {
 public:
  Creation(StateStore& store, const CreateOptions& options, StateDirectory& directory, ContainerState& state)
      : store_(store), options_(options), directory_(directory), state_(state) {}

  absl::Status Run() {
    RETURN_IF_ERROR(OpenStreams());
    RETURN_IF_ERROR(MakeCgroup());
    MonitorOptions monitor = MonitorOptionsOf(options_, created_.streams);
    monitor.cgroup = &cgroup_;
    monitor.view = options_.bundle;
    ASSIGN_OR_RETURN(monitor_, StartMonitor(monitor));
    const bool own_network = monitor.network == MonitorOptions::Network::kNew;
    // The sandbox, and hooks, are to find its network namespace.
    if (own_network || HasCreateHooks(options_.bundle->spec)) RETURN_IF_ERROR(AwaitMonitor(monitor_));
    state_.monitor = IdentifyProcess(monitor_.pid);
    HookMounts mounts;
    RETURN_IF_ERROR(RunCreateHooks(options_.bundle->spec, state_, mounts));
    if (IsMember()) {
      RETURN_IF_ERROR(JoinSandbox());
    } else {
      RETURN_IF_ERROR(MakeSandbox(own_network));
    }
    mounts.Leave();
    RETURN_IF_ERROR(FinishMonitor(monitor_, state_.sandbox.pid));
    cgroup_keeper_.reset();
    monitor_.link.reset();  // the sandbox has it: its death must be seen
    RETURN_IF_ERROR(Record());
    RETURN_IF_ERROR(Commit());
    return options_.start_now ? RunPoststartHooks(directory_, state_) : absl::OkStatus();
  }

  void Undo() {
    if (sandbox_) sandbox_->Destroy();
    KillAndReap(gofer_);
    EndMonitor(monitor_);
    cgroup_keeper_.reset();
    // Before the cgroup, which processes of the sandbox may be in.
    if (joining_) (void)TellSandbox(store_, state_, ControlType::kDestroy, ToWire(ContainerRequest{options_.id}));
    if (!state_.systemd_unit.empty()) StopSystemdUnit(state_.systemd_unit).IgnoreError();
    RemoveCgroup(state_.cgroups, /*kill=*/false).IgnoreError();
  }

  CreatedContainer Take() {
    created_.monitor = monitor_.pid;
    return std::move(created_);
  }

 private:
  bool IsMember() const { return state_.sandbox_id != options_.id; }

  absl::Status OpenStreams() {
    const SpecProcess& process = *options_.bundle->spec.process;
    StreamOptions streams;
    streams.terminal = process.terminal;
    streams.detached = !options_.foreground;
    streams.console_socket = options_.console_socket;
    streams.size = {process.console_height, process.console_width};
    streams.inherited = options_.inherited_fds;
    ASSIGN_OR_RETURN(created_.streams, GuestStreams::Open(streams));
    return absl::OkStatus();
  }

  // On record before it is made: what a killed `create` leaves behind can be removed by `delete --force`.
  absl::Status MakeCgroup() {
    const Spec& spec = options_.bundle->spec;
    ASSIGN_OR_RETURN(ContainerCgroup cgroup, PlaceContainerCgroup(*options_.globals, spec, options_.id));
    state_.cgroups = cgroup.paths;
    if (cgroup.systemd) state_.systemd_unit = cgroup.systemd->unit;
    if (!state_.cgroups.empty()) RETURN_IF_ERROR(directory_.Write(state_));
    SpecResources resources = spec.linux_.resources;
    // The least there is, meant for a program that sleeps; here the kernel of all the pod's containers would starve.
    if (IsPodSandbox(spec)) resources.cpu.shares.reset();
    absl::Status made = MakeContainerCgroup(resources, options_.id, cgroup, cgroup_keeper_);
    if (!made.ok()) cgroup = {};  // nothing of it is left, and what is there is not ours
    state_.cgroups = cgroup.paths;
    if (!cgroup.systemd) state_.systemd_unit.clear();
    RETURN_IF_ERROR(made);
    ASSIGN_OR_RETURN(cgroup_, OpenEntrance(state_.cgroups));
    return absl::OkStatus();
  }

  absl::Status MakeSandbox(bool own_network) {
    ASSIGN_OR_RETURN(const UniqueFd listener, BindControlSocket(directory_.fd()));
    SandboxRequest request;
    request.globals = options_.globals;
    request.id = options_.id;
    request.bundle = options_.bundle;
    request.control_listener = listener.get();
    request.link = monitor_.link.get();
    request.streams = created_.streams.fds();
    request.inherited_numbers = created_.streams.inherited_numbers();
    if (own_network) request.network_of = Cat("/proc/", monitor_.pid, "/ns/net");
    request.cgroup = &cgroup_;
    request.die_with_caller = options_.foreground;
    ASSIGN_OR_RETURN(sandbox_, Sandbox::Spawn(request));
    RETURN_IF_ERROR(sandbox_->AwaitReady());
    state_.sandbox = IdentifyProcess(sandbox_->pid());
    state_.gofer = IdentifyProcess(sandbox_->gofer_pid());
    return absl::OkStatus();
  }

  absl::Status JoinSandbox() {
    absl::StatusOr<ContainerState> first = store_.Read(state_.sandbox_id);
    if (!first.ok() || !IsAlive(first->sandbox)) {
      return absl::NotFoundError(
          Cat("sandbox \"", state_.sandbox_id, "\" of container \"", options_.id, "\" does not exist or has stopped"));
    }
    state_.sandbox = first->sandbox;
    ASSIGN_OR_RETURN(GoferChannels channels, NewGoferChannels());
    ASSIGN_OR_RETURN(gofer_, SpawnGofer(*options_.globals, *options_.bundle, std::move(channels.gofer_ends), &cgroup_));
    RETURN_IF_ERROR(AwaitExec(gofer_));
    state_.gofer = IdentifyProcess(gofer_.pid);
    ASSIGN_OR_RETURN(const ControlChannel channel, ConnectToSandbox(store_, state_));
    joining_ = true;
    RETURN_IF_ERROR(PlaceStubs(channel));
    return SendCreate(channel, channels);
  }

  // The processes that run the container's programs are the sandbox's children: they would be in its cgroup.
  absl::Status PlaceStubs(const ControlChannel& channel) {
    const std::optional<int32_t> oom_score_adj = options_.bundle->spec.process->oom_score_adj;
    if (state_.cgroups.empty() && !oom_score_adj) return absl::OkStatus();
    ASSIGN_OR_RETURN(const FamilyReply family,
                     channel.CallFor<FamilyReply>(ControlType::kFamily, ToWire(ContainerRequest{options_.id})));
    ASSIGN_OR_RETURN(const HostProcess ancestor, FindStub(state_.sandbox, family.ancestor));
    RETURN_IF_ERROR(MoveToCgroup(cgroup_, ancestor.pid));
    const absl::Status adjusted = oom_score_adj ? SetOomScoreAdj(ancestor.pid, *oom_score_adj) : absl::OkStatus();
    if (!adjusted.ok()) LogInfo("the container's OOM adjustment: ", MessageOf(adjusted));
    // The host takes bare numbers: one that changed hands meanwhile must not go unnoticed.
    if (IsAlive(ancestor)) return absl::OkStatus();
    return absl::InternalError(Cat("the sandbox's first process for the container, ", ancestor.pid, ", is gone"));
  }

  absl::Status SendCreate(const ControlChannel& channel, const GoferChannels& channels) {
    ASSIGN_OR_RETURN(const UniqueFd config, SealedCopy(options_.bundle->json));
    CreateRequest request;
    request.container = options_.id;
    request.bundle = options_.bundle->path;
    request.shared = NamespacesToShare(store_, options_.bundle->spec, state_.sandbox_id);
    request.inherited = created_.streams.inherited_numbers();
    request.gofer_channels = static_cast<uint32_t>(channels.sentry_ends.size());
    for (const CgroupFd& file : cgroup_.view) request.cgroup_files.push_back(file.name);
    std::vector<int> fds = {config.get(), monitor_.link.get()};
    for (int fd : created_.streams.fds()) fds.push_back(fd);
    for (const UniqueFd& channel : channels.sentry_ends) fds.push_back(channel.get());
    for (const CgroupFd& file : cgroup_.view) fds.push_back(file.fd.get());
    return channel.Call(ControlType::kCreate, ToWire(request), fds).status();
  }

  // From here on other commands see it.
  absl::Status Record() {
    RETURN_IF_ERROR(directory_.Relock());
    state_.status = options_.start_now ? ContainerStatus::kRunning : ContainerStatus::kCreated;
    RETURN_IF_ERROR(directory_.WriteConfig(options_.bundle->json));
    RETURN_IF_ERROR(directory_.Write(state_));
    RETURN_IF_ERROR(SendPidfd(options_.pidfd_socket, monitor_.pid));
    if (options_.pid_file.empty()) return absl::OkStatus();
    return WriteFileAtomicAt(AT_FDCWD, options_.pid_file, Cat(monitor_.pid), 0644);
  }

  absl::Status Commit() {
    if (sandbox_) return sandbox_->Commit(options_.start_now);
    if (!options_.start_now) return absl::OkStatus();
    return TellSandbox(store_, state_, ControlType::kStart, ToWire(ContainerRequest{options_.id}));
  }

  StateStore& store_;
  const CreateOptions& options_;
  StateDirectory& directory_;
  ContainerState& state_;
  CreatedContainer created_;
  CgroupEntrance cgroup_;
  std::optional<IdleProcess> cgroup_keeper_;
  Monitor monitor_;
  std::optional<Sandbox> sandbox_;  // its own
  SpawnedProcess gofer_;            // in a sandbox that was there
  bool joining_ = false;            // that sandbox knows of it, or may
};

}  // namespace

absl::StatusOr<CreatedContainer> CreateContainer(StateStore& store, const CreateOptions& options) {
  ASSIGN_OR_RETURN(StateDirectory directory, store.Create(options.id));
  ContainerState state = NewState(options);
  absl::Status status = directory.Write(state);
  // Booting takes time; `state` and `delete --force` must not wait for it.
  directory.Unlock();
  Creation creation(store, options, directory, state);
  if (status.ok()) status = creation.Run();
  if (status.ok()) return creation.Take();
  creation.Undo();
  if (directory.Relock().ok()) directory.Remove().IgnoreError();
  return status;
}

}  // namespace runsc
