// Signal-driven I/O: who is told by SIGIO, or another signal, when an O_ASYNC file is ready (fcntl(2)).
#pragma once

#include "sentry/vfs/file.h"
#include "sentry/vfs/file_watch.h"

namespace runsc {

class Kernel;
class Task;

struct FileOwner {
  enum class Kind { kNone, kThread, kProcess, kGroup };
  Kind kind = Kind::kNone;
  int id = 0;                        // tid, pid or process group
  uid_t set_ruid = 0, set_euid = 0;  // of who named the owner, and could signal it
  int signo = 0;                     // F_SETSIG; 0: SIGIO without details
  int fd = -1;                       // as the one who switched O_ASYNC on knows the file
};

// What F_GETOWN and F_GETSIG show; empty for files nobody set up.
FileOwner OwnerOf(File& file);
// Changes the record through `change`, making it if there is none. Owners of sockets hear of urgent bytes by SIGURG.
void ChangeOwner(Kernel& kernel, File& file, const std::function<void(FileOwner&)>& change);
// After O_ASYNC was switched on or off. Files that never block have nothing to tell.
void SetAsync(Kernel& kernel, File& file, int fd, bool on);

// Signals the owner of one file, under any lock. Goes with the file, after watches that were attached later.
class OwnerSignal {
 public:
  virtual void Tell(int fd, EventMask events) = 0;

 protected:
  ~OwnerSignal() = default;
};

// The caller's process becomes the owner if there is none.
OwnerSignal& SignalOfLocked(Task& caller, File& file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(FileWatch::Lists());

}  // namespace runsc
