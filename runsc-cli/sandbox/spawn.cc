// Spawns the gofer and the sentry side by side.
#include "runsc-cli/sandbox/spawn.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/container_cgroup.h"
#include "runsc-cli/container/oom_score.h"
#include "runsc-cli/sandbox/child_arguments.h"
#include "runsc-cli/sandbox/gofer_process.h"
#include "runsc-cli/sandbox/net_broker.h"
#include "runsc-cli/sandbox/sealed_copy.h"

namespace runsc {
namespace {

std::string WaitStatusText(int status) {
  if (WIFSIGNALED(status)) return Cat("killed by signal ", WTERMSIG(status));
  return Cat("exit status ", WEXITSTATUS(status));
}

}  // namespace

absl::StatusOr<Sandbox> Sandbox::Spawn(const SandboxRequest& request) {
  Sandbox sandbox;
  ASSIGN_OR_RETURN(ControlPair sync, NewControlPair());
  sandbox.sync_ = ControlChannel(std::move(sync.ours));
  ASSIGN_OR_RETURN(GoferChannels channels, NewGoferChannels());
  // The gofer first: it is executed, the sentry a fork, and the sentry soon waits for it.
  ASSIGN_OR_RETURN(sandbox.gofer_,
                   SpawnGofer(*request.globals, *request.bundle, std::move(channels.gofer_ends), request.cgroup));
  const absl::Status status = sandbox.SpawnSentry(request, channels.sentry_ends, std::move(sync.theirs));
  if (status.ok()) return sandbox;
  sandbox.Destroy();
  return status;
}

absl::Status Sandbox::SpawnSentry(const SandboxRequest& request, const std::vector<UniqueFd>& gofer_channels,
                                  UniqueFd sync) {
  ASSIGN_OR_RETURN(const UniqueFd network,
                   SpawnNetBroker(*request.globals, request.bundle->spec, request.network_of, request.cgroup));
  ASSIGN_OR_RETURN(UniqueFd config, SealedCopy(request.bundle->json));
  ChildArguments child("runsc-sandbox", *request.globals);
  child.Add("boot");
  child.Add(Cat("--bundle=", request.bundle->path));
  child.Add(Cat("--spec-fd=", child.Pass(config.get())));
  child.Add(Cat("--sync-fd=", child.Pass(sync.get())));
  child.Add(Cat("--control-fd=", child.Pass(request.control_listener)));
  child.Add(Cat("--link-fd=", child.Pass(request.link)));
  for (const UniqueFd& channel : gofer_channels) child.Add(Cat("--gofer-fd=", child.Pass(channel.get())));
  for (const CgroupFd& file : request.cgroup->view)
    child.Add(Cat("--cgroup-file=", child.Pass(file.fd.get()), ",", file.name));
  if (network.valid()) child.Add(Cat("--network-fd=", child.Pass(network.get())));
  for (size_t i = 0; i < 3; ++i) child.PassAs(request.streams[i], static_cast<int>(i));
  for (size_t i = 3; i < request.streams.size(); ++i) {
    child.Add(Cat("--inherited-fd=", child.Pass(request.streams[i]), ",", request.inherited_numbers[i - 3]));
  }
  child.Add(request.id);
  SpawnOptions& options = child.options();
  options.namespaces = kHelperNamespaces;
  options.uid_map = SentryUidMap();
  options.gid_map = SentryGidMap();
  options.fork = true;
  EnterCgroup(*request.cgroup, options);
  if (request.die_with_caller) options.parent_death_signal = SIGKILL;
  return SpawnWithOomScore(request.bundle->spec.process->oom_score_adj, options);
}

absl::Status Sandbox::SpawnWithOomScore(std::optional<int32_t> of_container, const SpawnOptions& options) {
  std::optional<ScopedOomScoreAdj> own;
  if (of_container) own.emplace(OomScoreAdjOfSentry(*of_container));
  if (own && !own->status().ok()) LogDebug("the sandbox's OOM adjustment stays: ", MessageOf(own->status()));
  ASSIGN_OR_RETURN(sentry_, SpawnSelf(options));
  return absl::OkStatus();
}

absl::Status Sandbox::AwaitReady() {
  RETURN_IF_ERROR(AwaitExec(gofer_));
  RETURN_IF_ERROR(AwaitExec(sentry_));
  absl::StatusOr<ControlMessage> message = sync_.Receive();
  if (!message.ok()) return DescribeDeath();
  if (message->type != ControlType::kReady) return absl::InternalError("sandbox: unexpected message");
  if (message->error != 0) return absl::Status(absl::ErrnoToStatusCode(message->error), message->body);
  return absl::OkStatus();
}

// The sentry closed its sync socket without a word: say what became of it.
absl::Status Sandbox::DescribeDeath() {
  kill(sentry_.pid, SIGKILL);
  int status = 0;
  if (waitpid(sentry_.pid, &status, 0) != sentry_.pid) return absl::InternalError("the sandbox process vanished");
  sentry_.pid = -1;
  return absl::InternalError(
      Cat("the sandbox process ended before it was ready (", WaitStatusText(status), "); --debug-log has more"));
}

absl::Status Sandbox::Commit(bool start_now) {
  const std::string body = ToWire(CommitRequest{start_now});
  if (start_now) return sync_.Call(ControlType::kCommit, body).status();
  return sync_.Send({ControlType::kCommit, 0, body, {}});
}

void Sandbox::Destroy() {
  if (sentry_.pid > 0) KillAndReap(sentry_);
  if (gofer_.pid > 0) KillAndReap(gofer_);
}

}  // namespace runsc
