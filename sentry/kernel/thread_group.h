// A guest process: what its tasks share, and its place in the process tree.
#pragma once

#include <sys/resource.h>

#include <functional>
#include <list>
#include <string>
#include <vector>

#include "sentry/kernel/io_accounting.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/signals.h"

namespace runsc {

class Task;
class Terminal;

// References: its tasks, its parent's child list, pid lookups in progress. All mutable fields are guarded
// by the kernel's task set lock (Kernel::task_set_mu) unless said otherwise.
class ThreadGroup : public RefCounted {
 public:
  ThreadGroup(Kernel& kernel, int pid);
  ~ThreadGroup() override;  // out of line: Terminal is incomplete here (sentry/kernel/terminal.h)
  Kernel& kernel() const { return kernel_; }
  int pid() const { return pid_; }

  // --- guarded by kernel().task_set_mu()
  ThreadGroup* parent = nullptr;  // null for who was started from outside
  std::list<RefPtr<ThreadGroup>> children;
  std::list<Task*> tasks;  // live ones
  Task* leader = nullptr;  // also when dead, until reaped
  int pgid = 0, sid = 0;
  bool has_execed = false;    // setpgid of a child after exec: EACCES
  RefPtr<Terminal> terminal;  // controlling terminal
  int exit_signal = SIGCHLD;  // sent to the parent at exit
  bool exiting = false;       // exit_group or fatal signal in progress
  bool killed = false;        // by SIGKILL: nothing holds its threads up
  int traced_zombies = 0;     // threads that ended, kept for their tracers
  int exit_status = 0;        // wait status (wait(2) encoding) once exiting
  bool zombie = false;        // all tasks gone, not yet waited for
  bool stopped = false, stop_reported = true, continue_pending = false;
  bool stop_announced = false;  // the parent was told of the current stop
  int stop_signal = 0;
  Task* exec_waiter = nullptr;  // waits for its siblings to be gone
  bool child_subreaper = false;
  SignalQueue pending;  // shared pending signals
  RefPtr<struct SharedSignalActions> actions;
  struct rlimit limits[RLIM_NLIMITS];
  struct rusage self_usage {
  }, children_usage{};  // of tasks gone / of waited-for children
  uint64_t exited_user_ns = 0, exited_system_ns = 0;
  IoTotals past_io;  // of tasks gone and of waited-for children
  int oom_score_adj = 0;
  uint32_t core_filter = 0x33;  // which mappings a core has (core(5))
  bool dumpable = true;
  uint32_t personality = 0;
  std::string exe_path;
  int64_t start_time_ns = 0;  // monotonic, for /proc/PID/stat
  WaitQueue child_events;     // wait4 sleeps here; own lock
  WaitQueue exit_events;      // pidfd polls here
  WaitQueue signal_events;    // told (EPOLLIN) of every signal queued to any thread: signalfd
  struct Timers;              // itimers and POSIX timers (kernel/timers.h); own lock
  std::shared_ptr<Timers> timers;
  RefPtr<class PidNamespace> pid_ns;             // null: the sandbox's first one; set before it is published
  int container = 0;                             // which of the sandbox's containers it belongs to; set before too
  bool takes_defaults = false;                   // an init that signals end as they end others; set before too
  bool frozen = false;                           // runs no guest code (container_control.h)
  std::function<void(int wait_status)> on_exit;  // nobody's child: who is told of its end (outside_process.h)

 private:
  Kernel& kernel_;
  const int pid_;
};

struct SharedSignalActions : RefCounted {
  SignalActions value;
};

}  // namespace runsc
