#include "runsc-cli/sandbox/net_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/host/child_process_unsafe.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/container_cgroup.h"

namespace runsc {
namespace {

const SpecNamespace* NetworkNamespace(const Spec& spec) {
  for (const SpecNamespace& ns : spec.linux_.namespaces) {
    if (ns.type == "network") return &ns;
  }
  return nullptr;
}

// A network namespace of the host's belongs to its first user namespace: so must a process with rights over it. Who
// is not root has no such rights, and a user namespace of its own to set itself up in.
void AddNamespaces(SpawnOptions& options) {
  options.namespaces = kHelperNamespaces & ~uint64_t{CLONE_NEWNET};
  if (geteuid() == 0) {
    options.namespaces &= ~uint64_t{CLONE_NEWUSER};
    return;
  }
  options.uid_map = SentryUidMap();
  options.gid_map = SentryGidMap();
}

}  // namespace

absl::StatusOr<UniqueFd> SpawnNetBroker(const FlagSet& globals, const Spec& spec, const std::string& made,
                                        const CgroupEntrance* cgroup) {
  const SpecNamespace* ns = NetworkNamespace(spec);
  const std::string path = ns == nullptr ? std::string() : ns->path.empty() ? made : ns->path;
  if (globals.GetString("network") == "none" || (ns != nullptr && path.empty())) return UniqueFd();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return HostError(errno, "create socket pair");
  UniqueFd ours(ends[0]), theirs(ends[1]), netns;
  constexpr int kChannel = 3, kNetns = 4, kLog = 5;
  SpawnOptions options;
  options.argv = {"runsc-network", "net-broker", Cat("--channel=", kChannel)};
  options.fds = {{theirs.get(), kChannel}};
  if (ns != nullptr) {
    netns.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!netns.valid()) return HostError(errno, "network namespace %s", path.c_str());
    options.fds.push_back({netns.get(), kNetns});
    options.argv.push_back(Cat("--netns=", kNetns));
  }
  if (Log::debug_log_fd() >= 0) {
    options.fds.push_back({Log::debug_log_fd(), kLog});
    options.argv.insert(options.argv.begin() + 1, Cat("--debug-log-fd=", kLog));
  }
  AddNamespaces(options);
  if (cgroup != nullptr) EnterCgroup(*cgroup, options);
  RETURN_IF_ERROR(SpawnSelf(options).status());
  return ours;
}

}  // namespace runsc
