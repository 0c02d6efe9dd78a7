// Spawns the gofer and the sentry side by side.
#include "runsc-cli/sandbox/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "platform/host/jail_unsafe.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/global_flags.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/container_cgroup.h"
#include "runsc-cli/sandbox/net_broker.h"

namespace runsc {
namespace {

// Parallel calls to the gofer; more wait for a free channel.
constexpr int kGoferChannels = 2;

struct SocketPair {
  UniqueFd ours, theirs;
};

absl::StatusOr<SocketPair> NewSocketPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
    return HostError(errno, "create socket pair");
  }
  return SocketPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// The bytes as a descriptor that nobody can change any more.
absl::StatusOr<UniqueFd> SealedCopy(std::string_view bytes) {
  UniqueFd fd(memfd_create("config.json", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return HostError(errno, "create memory file");
  if (write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return HostError(errno, "write memory file");
  }
  lseek(fd.get(), 0, SEEK_SET);
  fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  return fd;
}

// Command line and descriptors of a child, numbered from 3 on in the order they are passed.
class ChildArguments {
 public:
  ChildArguments(std::string_view process_name, const FlagSet& globals) {
    options_.argv.emplace_back(process_name);
    for (std::string& arg : globals.ToArgs()) {
      if (!arg.substr(0, arg.find('=')).ends_with("log-fd")) options_.argv.push_back(std::move(arg));
    }
    if (Log::log_fd() >= 0) Add(Cat("--log-fd=", Pass(Log::log_fd())));
    if (Log::debug_log_fd() >= 0) Add(Cat("--debug-log-fd=", Pass(Log::debug_log_fd())));
    if (Log::panic_log_fd() >= 0) Add(Cat("--panic-log-fd=", Pass(Log::panic_log_fd())));
  }
  void Add(std::string argument) { options_.argv.push_back(std::move(argument)); }
  void PassAs(int fd, int target) { options_.fds.push_back({fd, target}); }
  int Pass(int fd) {
    PassAs(fd, next_);
    return next_++;
  }
  SpawnOptions& options() { return options_; }

 private:
  SpawnOptions options_;
  int next_ = 3;
};

// Opens the host tree for the gofer if this user may; otherwise the gofer does it in its namespace.
std::string AttachArgument(ChildArguments& child, std::vector<UniqueFd>& keep, std::string_view mode,
                           const AttachTree& tree) {
  int target = -1;
  absl::StatusOr<UniqueFd> fd = OpenAttachTree(tree);
  if (fd.ok()) {
    target = child.Pass(fd->get());
    keep.push_back(*std::move(fd));
  } else {
    LogDebug("the gofer opens ", tree.path, " itself: ", MessageOf(fd.status()));
  }
  return Cat("--attach=", target, ",", mode, ",",
             tree.recursive ? "tree" : "single", ",", tree.path);
}

// How the gofer serves the root: with an overlay the container never writes to it, but a file-backed
// upper layer needs room on the same file system ("tmpfile").
std::string_view RootMode(const FlagSet& globals, const Bundle& bundle) {
  const absl::StatusOr<OverlayOption> overlay = ParseOverlayOption(globals.GetString("overlay2"));
  if (bundle.spec.root->readonly) return "ro";
  if (!overlay.ok() || overlay->scope == OverlayOption::Scope::kNone) return "rw";
  return overlay->medium == OverlayOption::Medium::kSelf ? "tmpfile" : "ro";
}

std::string WaitStatusText(int status) {
  if (WIFSIGNALED(status)) return Cat("killed by signal ", WTERMSIG(status));
  return Cat("exit status ", WEXITSTATUS(status));
}

}  // namespace

absl::StatusOr<Sandbox> Sandbox::Spawn(const SandboxRequest& request) {
  Sandbox sandbox;
  ASSIGN_OR_RETURN(SocketPair sync, NewSocketPair());
  sandbox.sync_ = ControlChannel(std::move(sync.ours));
  std::vector<UniqueFd> sentry_ends, gofer_ends;
  for (int i = 0; i < kGoferChannels; ++i) {
    ASSIGN_OR_RETURN(SocketPair pair, NewSocketPair());
    sentry_ends.push_back(std::move(pair.ours));
    gofer_ends.push_back(std::move(pair.theirs));
  }
  // The sentry first: it has more to do before either needs the other.
  absl::Status status = sandbox.SpawnSentry(request, sentry_ends, std::move(sync.theirs));
  if (status.ok()) status = sandbox.SpawnGofer(request, gofer_ends);
  if (!status.ok()) {
    sandbox.Destroy();
    return status;
  }
  return sandbox;
}

absl::Status Sandbox::SpawnGofer(const SandboxRequest& request, const std::vector<UniqueFd>& channels) {
  ChildArguments child("runsc-gofer", *request.globals);
  child.Add("gofer");
  std::vector<UniqueFd> keep;
  const Bundle& bundle = *request.bundle;
  const std::string_view root_mode = RootMode(*request.globals, bundle);
  child.Add(AttachArgument(child, keep, root_mode, {bundle.rootfs, root_mode == "ro", true}));
  for (const PlannedMount& mount : bundle.plan.mounts) {
    if (mount.kind != PlannedMount::Kind::kBind) continue;
    const std::string_view mode = mount.read_only() ? "ro" : "rw";
    child.Add(AttachArgument(child, keep, mode, {mount.source, mount.read_only(), mount.recursive}));
  }
  for (const UniqueFd& channel : channels) child.Add(Cat("--channel=", child.Pass(channel.get())));
  SpawnOptions& options = child.options();
  options.namespaces = kHelperNamespaces;
  options.uid_map = GoferUidMap();
  options.gid_map = GoferGidMap();
  if (request.cgroup != nullptr) EnterCgroup(*request.cgroup, options);
  ASSIGN_OR_RETURN(gofer_, SpawnSelf(options));
  return absl::OkStatus();
}

absl::Status Sandbox::SpawnSentry(const SandboxRequest& request, const std::vector<UniqueFd>& gofer_channels,
                                  UniqueFd sync) {
  ASSIGN_OR_RETURN(const UniqueFd network, SpawnNetBroker(*request.globals, request.bundle->spec, request.cgroup));
  ASSIGN_OR_RETURN(UniqueFd config, SealedCopy(request.bundle->json));
  ChildArguments child("runsc-sandbox", *request.globals);
  child.Add("boot");
  child.Add(Cat("--bundle=", request.bundle->path));
  child.Add(Cat("--spec-fd=", child.Pass(config.get())));
  child.Add(Cat("--sync-fd=", child.Pass(sync.get())));
  child.Add(Cat("--control-fd=", child.Pass(request.control_listener)));
  for (const UniqueFd& channel : gofer_channels) child.Add(Cat("--gofer-fd=", child.Pass(channel.get())));
  if (network.valid()) child.Add(Cat("--network-fd=", child.Pass(network.get())));
  for (int i = 0; i < 3; ++i) child.PassAs(request.stdio[i], i);
  child.Add(request.id);
  SpawnOptions& options = child.options();
  options.namespaces = kHelperNamespaces;
  options.uid_map = SentryUidMap();
  options.gid_map = SentryGidMap();
  if (request.cgroup != nullptr) EnterCgroup(*request.cgroup, options);
  if (request.die_with_caller) options.parent_death_signal = SIGKILL;
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
  return absl::InternalError(Cat("the sandbox process ended before it was ready (", WaitStatusText(status),
                                 "); --debug-log has more"));
}

absl::Status Sandbox::Commit(bool start_now) {
  const std::string body = ControlBody(CommitRequest{start_now});
  if (start_now) return sync_.Call(ControlType::kCommit, body).status();
  return sync_.Send({ControlType::kCommit, 0, body});
}

void Sandbox::Destroy() {
  if (sentry_.pid > 0) KillAndReap(sentry_);
  if (gofer_.pid > 0) KillAndReap(gofer_);
}

}  // namespace runsc
