// Starts helper processes (sentry, gofer): this binary again, in new namespaces, with only what it
// is given.
#pragma once

#include <sched.h>  // CLONE_NEW*
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"

namespace runsc {

// One line of /proc/PID/uid_map or gid_map.
struct IdMapping {
  uint32_t inside = 0;
  uint32_t outside = 0;
  uint32_t count = 1;
};

// Hands `fd` of the caller to the child under the number `target`.
struct FdMapping {
  int fd = -1;
  int target = -1;
};

struct SpawnOptions {
  std::vector<std::string> argv;  // argv[0] included
  std::vector<std::string> env;   // "A=b"; empty environment unless given
  // Start the program anew in a fork, where that is possible, rather than by exec (forked_program_unsafe.h).
  bool fork = false;
  // CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
  // CLONE_NEWCGROUP. With CLONE_NEWPID the child is process 1 of its namespace.
  uint64_t namespaces = 0;
  // For CLONE_NEWUSER. A caller without CAP_SETUID may only map its own ids, one line each.
  std::vector<IdMapping> uid_map, gid_map;
  // Ids to take before exec, as seen inside the new user namespace.
  uint32_t uid = 0, gid = 0;
  // Every other descriptor is closed. Missing 0, 1, 2 become /dev/null.
  std::vector<FdMapping> fds;
  bool new_session = true;        // setsid
  int parent_death_signal = 0;    // 0: survive the caller. Else sent when the calling *thread* ends
  int join_cgroup = -1;           // cgroup v2 directory to be born in (CLONE_INTO_CGROUP), or none
  std::vector<int> cgroup_procs;  // cgroup v1: open cgroup.procs files, joined before the child runs
};

struct SpawnedProcess {
  pid_t pid = -1;
  UniqueFd pidfd;        // invalid on hosts without pidfd: use the pid
  UniqueFd exec_status;  // AwaitExec reads it
};

// Clones and lets the child exec /proc/self/exe, or run it as a fork. Returns while the child still sets itself up, so
// two helpers can start side by side; AwaitExec tells whether it got there. The child has
// no_new_privs, an all-zero signal mask, default signal dispositions, umask 0 and no core dumps.
absl::StatusOr<SpawnedProcess> SpawnSelf(const SpawnOptions& options);

// Waits for the child's exec, or for it to be as one after it; on failure reaps the child and says which step failed
// and why.
absl::Status AwaitExec(SpawnedProcess& process);

// SIGKILLs the child and reaps it. For clean-up on error paths.
void KillAndReap(SpawnedProcess& process);

// The usual ids. As root on the host: every id as itself (the gofer must give files their owners).
// Otherwise the caller's own id becomes 0.
std::vector<IdMapping> GoferUidMap();
std::vector<IdMapping> GoferGidMap();
// As root on the host: 0 inside is nobody (65534) outside. Otherwise the caller's own id becomes 0.
std::vector<IdMapping> SentryUidMap();
std::vector<IdMapping> SentryGidMap();

// Every namespace a helper gets.
inline constexpr uint64_t kHelperNamespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

}  // namespace runsc
