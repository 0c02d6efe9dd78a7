// The part of a task its run loop shares with those who wake, stop or kill it. Internal to the kernel.
#pragma once

#include <time.h>

#include <memory>

#include "platform/thread_cpus.h"
#include "sentry/kernel/guest_stay.h"
#include "sentry/kernel/login_session.h"
#include "sentry/kernel/namespaces.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/tracee.h"

namespace runsc {

// Tells a vfork parent that its child execed or died. Outlives both.
struct VforkLatch : RefCounted {
  std::atomic<bool> released{false};
  RefPtr<Task> parent;
  void Release() {
    if (!released.exchange(true)) parent->Wake();
  }
};

struct Task::Parts {
  RefPtr<ThreadGroup> thread_group;
  RefPtr<MemoryManager> mm;
  RefPtr<FdTable> fds;
  RefPtr<FsContext> fs;
  CredentialsRef creds;
  std::string name;
};

struct Task::RunState {
  // Reasons to look up before guest code runs again. Set under the task set lock, read without.
  enum Work : uint32_t {
    kSignal = 1,   // something pending may have become deliverable
    kStop = 2,     // the group is stopped
    kKill = 4,     // the task must end
    kRefresh = 8,  // what the engine was told changed: another parent, a filter by a sibling
    kFreeze = 16,  // the container is paused
    kTrap = 32,    // a stop for the tracer may be due
  };
  enum Sleep : uint32_t { kAwake, kWoken, kAsleep };

  std::atomic<uint32_t> work{kSignal};
  std::atomic<uint32_t> wake{kAwake};
  std::atomic<bool> in_guest{false};
  std::atomic<bool> stopped{false};
  std::atomic<bool> trace_stopped{false};
  std::atomic<uint32_t> trace_mode{0};  // TraceMode bits; set under the task set lock
  std::atomic<bool> dead{false};        // ran DoExit; only a zombie leader stays around like this
  std::atomic<bool> has_clock{false};
  std::atomic<int> seccomp_mode{0};                               // SECCOMP_MODE_*
  std::atomic<const struct SeccompFilter*> seccomp_now{nullptr};  // `seccomp`, for the task itself
  clockid_t sentry_clock = 0;                                     // CPU time of the sentry thread
  uint64_t sentry_clock_base_ns = 0;                              // what it had used before it served this task
  std::atomic<uint64_t> past_user_ns{0};                          // of contexts exec dropped

  IoCounters io;
  LoginSession login;

  // What the host is asked for (host_placement.cc).
  bool placed = false;                    // own thread: done for this context
  std::atomic<pid_t> host_tid{0};         // of the guest thread, once placed
  std::atomic<bool> has_priority{false};  // not the host's default
  ThreadCpus cpus;

  // Guarded by the task set lock.
  SignalSet waited_signals = 0;                // sigtimedwait: wanted although blocked
  SignalSet forced_signals = 0;                // faults: they end even init
  NamespaceSetRef namespaces;                  // null: the first ones
  RefPtr<const struct SeccompFilter> seccomp;  // only ever extended while the task runs
  std::unique_ptr<Tracee> tracee;              // null: never traced
  std::vector<Task*> tracees;                  // whom this task traces
  int creator_tid = 0;                         // the thread that made the process: its tracer after PTRACE_TRACEME

  // The task's own thread.
  std::optional<SignalSet> saved_mask;  // what a temporary mask replaced
  const CallSet* forwarded = nullptr;   // what the context was told; null: nothing yet
  std::unique_ptr<GuestStay> stay;      // null: nothing
  bool read_implies_exec = false;       // personality(2): what may be read may be run
  bool launched = false;                // guest code began before the thread did
  bool exiting = false;
  int exit_status = 0;
  bool registers_replaced = false;
  bool native_reports = false;              // the call the stub makes ends with an event
  bool step_armed = false;                  // the trap flag in the guest's registers is its tracer's
  bool restart_due = false;                 // the registers may show an interrupted call
  FaultInfo fault{};                        // the last one, for signal frames
  std::atomic<uint64_t> current_call{0};    // number of the call being served; others may look
  std::optional<SyscallRequest> submitted;  // what the stub is to make by itself when the guest runs again
  // While signals are being delivered: the guest's state with the frames pushed so far.
  std::optional<Registers> frame_regs;
  std::vector<std::byte> frame_fp;
  RefPtr<VforkLatch> vfork_latch;  // we are the child
  // For the clone being done: shows its process to the caller before it runs (CLONE_PIDFD); may refuse.
  std::function<Result<void>(ThreadGroup& child)> announce_child;

  bool HasWork() const { return work.load(std::memory_order_acquire) != 0; }
  // Work that ends a wait: who sleeps does not notice that his container is frozen.
  bool HasInterruption() const { return (work.load(std::memory_order_acquire) & ~uint32_t{kFreeze}) != 0; }
};

}  // namespace runsc
