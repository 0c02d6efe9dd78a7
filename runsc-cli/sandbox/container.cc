// Container operations.
#include "runsc-cli/sandbox/container.h"

#include <signal.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/cgroup.h"
#include "runsc-cli/cgroup/systemd.h"
#include "runsc-cli/sandbox/call.h"
#include "runsc-cli/sandbox/container_hooks.h"

namespace runsc {
namespace {

constexpr int kQueryTimeoutSeconds = 2;

std::string ForContainer(const ContainerState& state) { return ToWire(ContainerRequest{state.id}); }

bool OwnsSandbox(const ContainerState& state) { return state.sandbox_id == state.id; }

absl::Status KillProcesses(StateStore& store, const ContainerState& state) {
  if (OwnsSandbox(state)) {
    RETURN_IF_ERROR(KillAndAwaitEnd(state.sandbox));
    RETURN_IF_ERROR(KillAndAwaitEnd(state.monitor));
    return KillAndAwaitEnd(state.gofer);
  }
  // The sandbox kills a process whose monitor is gone.
  RETURN_IF_ERROR(KillAndAwaitEnd(state.monitor));
  // Also of one that a killed `create` had no time to put on record.
  const absl::Status forgotten = TellSandbox(store, state, ControlType::kDestroy, ForContainer(state));
  if (!forgotten.ok()) LogDebug("delete: ", MessageOf(forgotten));
  return KillAndAwaitEnd(state.gofer);
}

// Ends the processes of a container, its sandbox if that is its own, and what else it has on the host.
absl::Status TakeDown(StateStore& store, const ContainerState& state) {
  RETURN_IF_ERROR(KillProcesses(store, state));
  if (!state.systemd_unit.empty()) StopSystemdUnit(state.systemd_unit).IgnoreError();  // it may have ended by itself
  return RemoveCgroup(state.cgroups, /*kill=*/true);
}

absl::Status Remove(StateStore& store, StateDirectory& directory, const ContainerState& state) {
  RETURN_IF_ERROR(TakeDown(store, state));
  const PoststopHooks hooks(directory, state);
  RETURN_IF_ERROR(directory.Remove());
  hooks.Run();
  return absl::OkStatus();
}

// With --force: whatever the directory holds, end it and remove it.
absl::Status ForceDelete(StateStore& store, StateDirectory& directory) {
  absl::StatusOr<ContainerState> state = directory.Read();
  if (state.ok()) return Remove(store, directory, *state);
  LogInfo("removing ", directory.path(), " without a usable state: ", MessageOf(state.status()));
  return directory.Remove();
}

}  // namespace

ContainerStatus QueryStatus(StateStore& store, const ContainerState& state) {
  const ContainerStatus status = CurrentStatus(state);
  if (status != ContainerStatus::kCreated) return status;
  // A `start` that was killed after the sandbox obeyed it had no time to write "running".
  const absl::StatusOr<ControlChannel> channel = ConnectToSandbox(store, state, kQueryTimeoutSeconds);
  if (!channel.ok()) return CurrentStatus(state);
  const auto reply = channel->CallFor<StateReply>(ControlType::kState, ForContainer(state));
  if (!reply.ok()) return CurrentStatus(state);
  if (reply->phase == ContainerPhase::kCreated) return status;
  return reply->phase == ContainerPhase::kRunning ? ContainerStatus::kRunning : ContainerStatus::kStopped;
}

absl::Status StartContainer(StateStore& store, const std::string& id) {
  ASSIGN_OR_RETURN(StateDirectory directory, store.Lock(id));
  ASSIGN_OR_RETURN(ContainerState state, directory.Read());
  RETURN_IF_ERROR(CheckTransition(Operation::kStart, id, QueryStatus(store, state)));
  const absl::Status told = TellSandbox(store, state, ControlType::kStart, ForContainer(state));
  if (!told.ok()) return WhyNoAnswer(state, told);
  state.status = ContainerStatus::kRunning;
  RETURN_IF_ERROR(directory.Write(state));
  absl::Status hooks = RunPoststartHooks(directory, state);
  if (!hooks.ok()) KillProcesses(store, state).IgnoreError();
  return hooks;
}

absl::Status SignalContainer(StateStore& store, const SignalRequest& request) {
  const std::string& id = request.container;
  ASSIGN_OR_RETURN(const ContainerState state, store.Read(id));
  const ContainerStatus status = QueryStatus(store, state);
  // runc's: what is left of a container that has stopped may be signalled, and mostly there is nothing.
  if (request.all && status == ContainerStatus::kStopped) return absl::OkStatus();
  RETURN_IF_ERROR(CheckTransition(Operation::kSignal, id, status));
  const absl::Status sent = TellSandbox(store, state, ControlType::kSignal, ToWire(request));
  if (sent.ok()) return sent;
  // The sandbox took the signal and ended, perhaps of it, before it could say so. kill(2) succeeds for who is ending,
  // too.
  if (IsClosed(sent)) return absl::OkStatus();
  if (!IsAlive(state.monitor)) {
    return request.signo == SIGKILL ? absl::OkStatus()
                                    : CheckTransition(Operation::kSignal, id, ContainerStatus::kStopped);
  }
  // A sandbox that does not answer must still be killable.
  const bool meant_init = request.pid == 0 && request.group == 0;
  if (request.signo == SIGKILL && meant_init && !absl::IsNotFound(sent)) {
    return KillAndAwaitEnd(OwnsSandbox(state) ? state.sandbox : state.monitor);
  }
  return sent;
}

absl::Status PauseContainer(StateStore& store, const std::string& id, bool paused) {
  ASSIGN_OR_RETURN(StateDirectory directory, store.Lock(id));
  ASSIGN_OR_RETURN(ContainerState state, directory.Read());
  const Operation operation = paused ? Operation::kPause : Operation::kResume;
  RETURN_IF_ERROR(CheckTransition(operation, id, QueryStatus(store, state)));
  const absl::Status told = TellSandbox(store, state, ControlType::kPause, ToWire(PauseRequest{id, paused}));
  if (!told.ok()) return WhyNoAnswer(state, told);
  state.status = paused ? ContainerStatus::kPaused : ContainerStatus::kRunning;
  return directory.Write(state);
}

absl::Status DeleteContainer(StateStore& store, const std::string& id, bool force) {
  absl::StatusOr<StateDirectory> directory = store.Lock(id);
  if (!directory.ok()) {
    return force && absl::IsNotFound(directory.status()) ? absl::OkStatus() : directory.status();
  }
  if (force) return ForceDelete(store, *directory);
  absl::StatusOr<ContainerState> state = directory->Read();
  if (absl::IsNotFound(state.status())) {
    // Left by a `create` killed at its first step: clean up, but there was no container.
    RETURN_IF_ERROR(directory->Remove());
    return state.status();
  }
  if (!state.ok()) return state.status();
  RETURN_IF_ERROR(CheckTransition(Operation::kDelete, id, CurrentStatus(*state)));
  return Remove(store, *directory, *state);
}

}  // namespace runsc
