// Container operations.
#include "runsc-cli/sandbox/container.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/container_cgroup.h"
#include "runsc-cli/control/channel.h"

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

absl::StatusOr<Sandbox> SpawnSandbox(const CreateOptions& options, const StateDirectory& directory,
                                     const CgroupPaths& cgroups) {
  ASSIGN_OR_RETURN(const CgroupEntrance entrance, OpenEntrance(cgroups));
  ASSIGN_OR_RETURN(UniqueFd listener, BindControlSocket(directory.fd()));
  SandboxRequest request;
  request.globals = options.globals;
  request.id = options.id;
  request.bundle = options.bundle;
  request.control_listener = listener.get();
  request.cgroup = &entrance;
  request.die_with_caller = options.die_with_caller;
  return Sandbox::Spawn(request);
}

// On record before it is made: what a killed `create` leaves behind can be removed by `delete --force`.
absl::Status PlaceInCgroup(const CreateOptions& options, const StateDirectory& directory, ContainerState& state) {
  ASSIGN_OR_RETURN(state.cgroups, MakeContainerCgroup(*options.globals, options.bundle->spec, options.id));
  return state.cgroups.empty() ? absl::OkStatus() : directory.Write(state);
}

// Puts the ready sandbox on record and lets it go.
absl::Status RecordAndCommit(const CreateOptions& options, ContainerState& state, StateDirectory& directory,
                             Sandbox& sandbox) {
  RETURN_IF_ERROR(sandbox.AwaitReady());
  RETURN_IF_ERROR(directory.Relock());
  state.status = options.start_now ? ContainerStatus::kRunning : ContainerStatus::kCreated;
  state.sandbox = IdentifyProcess(sandbox.pid());
  state.gofer = IdentifyProcess(sandbox.gofer_pid());
  RETURN_IF_ERROR(directory.Write(state));
  if (!options.pid_file.empty()) {
    RETURN_IF_ERROR(WriteFileAtomicAt(AT_FDCWD, options.pid_file, Cat(sandbox.pid()), 0644));
  }
  return sandbox.Commit(options.start_now);
}

absl::StatusOr<std::string> CallSandbox(const StateDirectory& directory, ControlType type,
                                        std::string_view body, int timeout_seconds) {
  ASSIGN_OR_RETURN(ControlChannel channel, ConnectControlSocket(directory.fd()));
  const timeval timeout = {timeout_seconds, 0};
  setsockopt(channel.fd(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  return channel.Call(type, body);
}

constexpr int kQueryTimeoutSeconds = 2;
constexpr int kCallTimeoutSeconds = 30;

absl::Status KillProcesses(const ContainerState& state) {
  RETURN_IF_ERROR(KillAndAwaitEnd(state.sandbox));
  RETURN_IF_ERROR(KillAndAwaitEnd(state.gofer));
  return RemoveCgroup(state.cgroups, /*kill=*/true);
}

// With --force: whatever the directory holds, end it and remove it.
absl::Status ForceDelete(StateDirectory& directory) {
  absl::StatusOr<ContainerState> state = directory.Read();
  if (state.ok()) {
    RETURN_IF_ERROR(KillProcesses(*state));
  } else {
    LogInfo("removing ", directory.path(), " without a usable state: ", MessageOf(state.status()));
  }
  return directory.Remove();
}

}  // namespace

absl::StatusOr<Sandbox> CreateContainer(StateStore& store, const CreateOptions& options) {
  ASSIGN_OR_RETURN(StateDirectory directory, store.Create(options.id));
  ContainerState state = NewState(options);
  absl::Status status = directory.Write(state);
  // Booting takes time; `state` and `delete --force` must not wait for it.
  directory.Unlock();
  absl::StatusOr<Sandbox> sandbox = absl::UnknownError("not spawned");
  if (status.ok()) status = PlaceInCgroup(options, directory, state);
  if (status.ok()) {
    sandbox = SpawnSandbox(options, directory, state.cgroups);
    status = sandbox.ok() ? RecordAndCommit(options, state, directory, *sandbox) : sandbox.status();
  }
  if (!status.ok()) {
    if (sandbox.ok()) sandbox->Destroy();
    RemoveCgroup(state.cgroups, /*kill=*/false).IgnoreError();
    if (directory.Relock().ok()) directory.Remove().IgnoreError();
    return status;
  }
  return sandbox;
}

ContainerStatus QueryStatus(const StateDirectory& directory, const ContainerState& state) {
  const ContainerStatus status = CurrentStatus(state);
  if (status != ContainerStatus::kCreated) return status;
  // A `start` that was killed after the sandbox obeyed it had no time to write "running".
  absl::StatusOr<std::string> reply = CallSandbox(directory, ControlType::kState, {}, kQueryTimeoutSeconds);
  if (!reply.ok()) return CurrentStatus(state);
  const std::optional<StateReply> phase = ControlMessage{ControlType::kState, 0, *reply}.As<StateReply>();
  if (!phase || phase->phase == SandboxPhase::kCreated) return status;
  return phase->phase == SandboxPhase::kRunning ? ContainerStatus::kRunning : ContainerStatus::kStopped;
}

absl::Status StartContainer(StateStore& store, const std::string& id) {
  ASSIGN_OR_RETURN(StateDirectory directory, store.Lock(id));
  ASSIGN_OR_RETURN(ContainerState state, directory.Read());
  RETURN_IF_ERROR(CheckTransition(Operation::kStart, id, QueryStatus(directory, state)));
  RETURN_IF_ERROR(CallSandbox(directory, ControlType::kStart, {}, kCallTimeoutSeconds).status());
  state.status = ContainerStatus::kRunning;
  return directory.Write(state);
}

absl::Status SignalContainer(StateStore& store, const std::string& id, int signo, int pid, bool all) {
  ASSIGN_OR_RETURN(StateDirectory directory, store.Lock(id));
  ASSIGN_OR_RETURN(ContainerState state, directory.Read());
  directory.Unlock();
  RETURN_IF_ERROR(CheckTransition(Operation::kSignal, id, QueryStatus(directory, state)));
  const std::string body = ControlBody(SignalRequest{pid, signo, all});
  absl::Status sent = CallSandbox(directory, ControlType::kSignal, body, kCallTimeoutSeconds).status();
  if (sent.ok()) return sent;
  if (!IsAlive(state.sandbox)) return CheckTransition(Operation::kSignal, id, ContainerStatus::kStopped);
  // A sandbox that does not answer must still be killable.
  if (signo == SIGKILL && pid == 1 && !absl::IsNotFound(sent)) return KillAndAwaitEnd(state.sandbox);
  return sent;
}

absl::Status DeleteContainer(StateStore& store, const std::string& id, bool force) {
  absl::StatusOr<StateDirectory> directory = store.Lock(id);
  if (!directory.ok()) {
    return force && absl::IsNotFound(directory.status()) ? absl::OkStatus() : directory.status();
  }
  if (force) return ForceDelete(*directory);
  absl::StatusOr<ContainerState> state = directory->Read();
  if (absl::IsNotFound(state.status())) {
    // Left by a `create` killed at its first step: clean up, but there was no container.
    RETURN_IF_ERROR(directory->Remove());
    return state.status();
  }
  if (!state.ok()) return state.status();
  RETURN_IF_ERROR(CheckTransition(Operation::kDelete, id, CurrentStatus(*state)));
  RETURN_IF_ERROR(KillProcesses(*state));
  return directory->Remove();
}

}  // namespace runsc
