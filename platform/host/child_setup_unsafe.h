// What a new process does between clone and exec, or what stands in for that. The child shares nothing with the parent
// but copied memory, and locks may be held in it: only plain system calls here, no allocation.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace runsc {

// Everything the child needs, prepared by the parent.
struct ChildPlan {
  struct Fd {
    int source;
    int target;
    int staged;  // for the child's own use
  };
  Fd* fds;  // sorted by target
  size_t fd_count;
  int lowest_free;  // above every target
  char* const* argv;
  char* const* envp;
  int exe_fd;
  bool fork;         // start anew without exec
  int go_fd;         // one byte arrives when the id maps are written
  int status_fd;     // a ChildFailure is written here; closed by a successful exec, or before the program starts in the
                     // fork
  bool new_network;  // a network namespace is slow to make: the parent need not wait for it
  bool set_ids;
  uid_t uid;
  gid_t gid;
  bool new_session;
  int parent_death_signal;
};

enum class ChildStep : int {
  kNetwork = 1,
  kWaitForParent,
  kSession,
  kGroups,
  kIds,
  kLimits,
  kNoNewPrivs,
  kDeathSignal,
  kStageFds,
  kPlaceFds,
  kCloseFds,
  kExec,
};

struct ChildFailure {
  ChildStep step;
  int error;
};

// Human-readable name of a step, for errors.
const char* ChildStepName(ChildStep step);

[[noreturn]] void RunChild(ChildPlan& plan);

}  // namespace runsc
