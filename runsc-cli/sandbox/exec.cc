#include "runsc-cli/sandbox/exec.h"

#include <fcntl.h>
#include <unistd.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/file_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/sandbox/call.h"
#include "runsc-cli/sandbox/container.h"
#include "runsc-cli/sandbox/fd_socket.h"
#include "runsc-cli/sandbox/monitor_unsafe.h"
#include "runsc-cli/sandbox/sealed_copy.h"

namespace runsc {
namespace {

absl::Status CheckState(StateStore& store, const ContainerState& state, bool ignore_paused) {
  const ContainerStatus status = QueryStatus(store, state);
  if (ignore_paused && status == ContainerStatus::kPaused) return absl::OkStatus();
  if (status == ContainerStatus::kStopped) return absl::FailedPreconditionError("cannot exec in a stopped container");
  return CheckTransition(Operation::kExec, state.id, status);
}

absl::StatusOr<ExecReply> SendExec(StateStore& store, const ContainerState& state, const ExecOptions& options, int link,
                                   const GuestStreams& streams) {
  ASSIGN_OR_RETURN(const UniqueFd json, SealedCopy(options.json));
  ExecRequest request;
  request.container = options.id;
  request.inherited = streams.inherited_numbers();
  std::vector<int> fds = {json.get(), link};
  for (int fd : streams.fds()) fds.push_back(fd);
  return AskSandbox<ExecReply>(store, state, ControlType::kExec, ToWire(request), fds);
}

absl::Status WritePid(const std::string& file, int pid) {
  return file.empty() ? absl::OkStatus() : WriteFileAtomicAt(AT_FDCWD, file, Cat(pid), 0644);
}

absl::Status Launch(StateStore& store, const ContainerState& state, const ExecOptions& options, Monitor& monitor,
                    const GuestStreams& streams) {
  RETURN_IF_ERROR(WritePid(options.pid_file, monitor.pid));
  RETURN_IF_ERROR(SendPidfd(options.pidfd_socket, monitor.pid));
  ASSIGN_OR_RETURN(const ExecReply reply, SendExec(store, state, options, monitor.link.get(), streams));
  RETURN_IF_ERROR(FinishMonitor(monitor, 0));
  monitor.link.reset();  // the sandbox has it: its death must be seen
  return WritePid(options.internal_pid_file, reply.pid);
}

}  // namespace

absl::StatusOr<ExecutedProcess> ExecInContainer(StateStore& store, const ExecOptions& options) {
  ASSIGN_OR_RETURN(const ContainerState state, store.Read(options.id));
  RETURN_IF_ERROR(CheckState(store, state, options.ignore_paused));
  StreamOptions wanted;
  wanted.terminal = options.process.terminal;
  wanted.detached = options.detached;
  wanted.console_socket = options.console_socket;
  wanted.size = {options.process.console_height, options.process.console_width};
  wanted.inherited = options.inherited_fds;
  ASSIGN_OR_RETURN(GuestStreams streams, GuestStreams::Open(wanted));
  MonitorOptions monitor_options;
  monitor_options.terminal = streams.controlling();
  ASSIGN_OR_RETURN(const CgroupEntrance cgroup, OpenEntrance(state.cgroups));
  monitor_options.cgroup = &cgroup;
  // Without root's rights nobody may join a network namespace, and it matters little for a process of exec.
  if (geteuid() == 0) {
    monitor_options.network = MonitorOptions::Network::kPath;
    monitor_options.netns_path = Cat("/proc/", state.monitor.pid, "/ns/net");
    monitor_options.mounts_path = Cat("/proc/", state.monitor.pid, "/ns/mnt");
  }
  ASSIGN_OR_RETURN(Monitor monitor, StartMonitor(monitor_options));
  const absl::Status status = Launch(store, state, options, monitor, streams);
  if (status.ok()) return ExecutedProcess{monitor.pid, std::move(streams)};
  EndMonitor(monitor);
  return status;
}

}  // namespace runsc
