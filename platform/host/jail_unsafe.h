// Takes away, after exec, everything a helper process does not need: the host's file system,
// capabilities and finally system calls.
//
// sentry (verb boot):  EnterSentryJail(); create the Platform (it forks the first stub);
//                      LockDownSentry(); run.
// gofer (verb gofer):  EnterGoferJail(); LockDownGofer(); RunGoferServer().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "platform/base/unique_fd.h"

namespace runsc {

struct SentryJail {
  // Root of a read-only procfs (subset=pid) of this pid namespace, also mounted at /proc. Invalid if
  // the host does not let us mount one; `warning` then says why.
  UniqueFd proc_root;
  std::string warning;
};

// Needs CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID of SpawnSelf. Afterwards: root is an empty
// read-only tmpfs with /proc, no capability is left in any set, no_new_privs, no core dumps.
absl::StatusOr<SentryJail> EnterSentryJail();

// The last step: makes the process undumpable and installs the sentry's system call filter in all
// threads. Stubs forked before stay readable by process_vm_readv and do not get this filter, so the
// platform must exist already. `proc_root` is the only directory openat works on (-1: none). `traces_stubs`: the
// platform drives them by ptrace.
absl::Status LockDownSentry(int proc_root, bool traces_stubs);

// One host directory or file tree the gofer serves, as an own detached mount: nodev, nosuid and, when
// asked, read-only by the kernel too.
struct AttachTree {
  std::string path;  // in the host's mount namespace
  bool read_only = false;
  bool recursive = true;  // with the mounts below it, as rbind does
};

// Clones the mount tree at `tree.path`. A caller with CAP_SYS_ADMIN (the CLI run as root) does it
// before SpawnSelf and hands the descriptor over; otherwise the gofer does it in its own namespace,
// where a tree with mounts below can only be cloned recursively.
absl::StatusOr<UniqueFd> OpenAttachTree(const AttachTree& tree);

struct GoferJailOptions {
  struct Attach {
    int fd = -1;  // from OpenAttachTree in the parent, inherited; -1: clone `tree` now
    AttachTree tree;
  };
  std::vector<Attach> attaches;
};

struct GoferJail {
  std::vector<UniqueFd> attaches;  // in the order of the options
  UniqueFd proc_self_fd;           // directory /proc/self/fd of a private procfs
  std::string warning;             // host shortcomings worked around, for the debug log
};

// Needs CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID of SpawnSelf. Afterwards: root is an empty
// read-only tmpfs and only the attach trees are reachable, through their descriptors; capabilities
// are the ones file owners and modes need, and cannot grow.
absl::StatusOr<GoferJail> EnterGoferJail(const GoferJailOptions& options);

// The last step: undumpable, and the gofer's system call filter in all threads.
absl::Status LockDownGofer();

// Makes the process unreadable for ptrace, process_vm_* and core dumps.
absl::Status SetUndumpable();

}  // namespace runsc
