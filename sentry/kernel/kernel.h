// The root object: the process table, the clock, names of the machine; owns everything else.
#pragma once

#include <sys/resource.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "platform/base/mutex.h"
#include "platform/platform.h"
#include "sentry/kernel/syscall_table.h"
#include "sentry/vfs/backing_store.h"
#include "sentry/vfs/vfs.h"

namespace runsc {

class FdTable;
class Task;
class ThreadGroup;
class TimerQueue;

// Names Kernel::task_set_mu for the thread-safety analysis, which cannot see that every task and group leads
// to the same kernel. Never defined, never locked.
extern Mutex task_set_capability;

struct UtsName {
  std::string hostname = "runsc", domainname = "(none)";
};

// A process from config.json.
struct InitProcess {
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string cwd = "/";
  CredentialsRef creds;
  uint32_t umask = 022;
  std::vector<std::pair<int, struct rlimit>> rlimits;
  RefPtr<FdTable> fds;  // 0-2 installed
  int oom_score_adj = 0;
  std::string path;  // what to exec; empty: args[0]
};

class Kernel {
 public:
  struct Options {
    Platform* platform = nullptr;  // outlives the kernel
    const SyscallTable* syscalls = nullptr;
    RefPtr<Vfs> vfs;
    BackingStore* backing = nullptr;  // memory for shared anonymous mappings, memfd, SysV shm
    UtsName uts;
    int cpus = 1;
  };
  explicit Kernel(Options options);
  ~Kernel();

  // Blocks until pid 1 is gone; its wait status.
  int WaitForInit();
  // The engine lost an address space to a SIGKILL from outside: so die the processes in it.
  void OnAddressSpaceDeath(pid_t host_pid);
  // Kills everything and joins the tasks.
  void Destroy();

  Platform& platform() const { return *options_.platform; }
  const SyscallTable& syscalls() const { return *options_.syscalls; }
  // Null: nobody traces. What is set must stay valid for good: a call may still be in it.
  const SyscallTracer* tracer() const { return tracer_.load(std::memory_order_acquire); }
  void SetTracer(const SyscallTracer* tracer);
  Vfs& vfs() const { return *options_.vfs; }
  BackingStore& backing() const { return *options_.backing; }
  int cpus() const { return options_.cpus; }
  TimerQueue& timers() const { return *timers_; }

  // The process tree, signals, wait, job control: one lock, as Linux's tasklist_lock and siglocks were.
  Mutex& task_set_mu() ABSL_LOCK_RETURNED(task_set_capability) { return task_set_mu_; }
  Result<int> AllocatePidLocked(Task* task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  // Reserves a number of the caller's choice (clone3's set_tid). EEXIST, EINVAL.
  Result<void> ClaimPidLocked(int pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  Task* FindTaskLocked(int tid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  ThreadGroup* FindThreadGroupLocked(int pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  std::vector<ThreadGroup*> ThreadGroupsLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  std::vector<RefPtr<ThreadGroup>> ThreadGroups();  // snapshot
  RefPtr<Task> FindTask(int tid);
  ThreadGroup* init() const { return init_.get(); }

  // The process table's upkeep (clone.cc, exit.cc). The table holds a reference to every task in it.
  void InsertTaskLocked(Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  RefPtr<Task> RemoveTaskLocked(int tid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  void InsertThreadGroupLocked(ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  void RemoveThreadGroupLocked(int pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  // Of one container (ThreadGroup::container): pids.max of its cgroup.
  void SetTaskLimitLocked(int container, uint64_t limit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  uint64_t TaskLimitLocked(int container) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  uint64_t CountTasksLocked(int container) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  Result<void> CheckContainerLimitLocked(const Task& task)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);  // EAGAIN
  // Where the container's programs get their address spaces from; null: from the platform itself.
  // Gives back the one before.
  std::shared_ptr<AddressSpaceFamily> SetFamilyLocked(int container, std::shared_ptr<AddressSpaceFamily> family)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  absl::StatusOr<std::unique_ptr<AddressSpace>> NewAddressSpace(int container);
  // RLIMIT_NPROC, and how many threads the sandbox may have at all. EAGAIN.
  Result<void> CheckProcessLimitLocked(const Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  bool shutting_down() ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) { return shutting_down_; }
  // Task threads alive; whoever ends one says so as its very last act.
  void TaskThreadStarted();
  void TaskThreadEnded();
  // Kills everything but init and waits until it is gone (exit of pid 1).
  void KillAllButInit(Task& init_task);
  void PublishInitExit(int wait_status);

  // Clocks, ns. The guest's monotonic and boottime clocks are the host's: the vDSO is shared.
  static int64_t MonotonicNs();
  static int64_t RealtimeNs();
  int64_t boot_time_ns() const { return boot_monotonic_ns_; }  // monotonic time at which the sandbox started

  UtsName uts();
  void set_uts(UtsName uts);
  uint64_t NextSocketCookie();  // also pipe inode numbers
  uint64_t total_forks() const;

 private:
  friend class Task;
  friend class OutsideProcess;  // the first one is init
  void WaitForThreads(uint32_t left);
  Options options_;
  Mutex task_set_mu_{LockRank::kTaskSet};
  std::map<int, Task*> tasks_ ABSL_GUARDED_BY(task_set_capability);
  std::map<int, uint64_t> task_limits_ ABSL_GUARDED_BY(task_set_capability);                          // by container
  std::map<int, std::shared_ptr<AddressSpaceFamily>> families_ ABSL_GUARDED_BY(task_set_capability);  // by container
  std::map<int, ThreadGroup*> groups_ ABSL_GUARDED_BY(task_set_capability);
  int next_pid_ ABSL_GUARDED_BY(task_set_capability) = 1;
  uint64_t forks_ ABSL_GUARDED_BY(task_set_capability) = 0;
  bool wrapped_ ABSL_GUARDED_BY(task_set_capability) = false;  // pids start to be reused
  bool shutting_down_ ABSL_GUARDED_BY(task_set_capability) = false;
  std::atomic<uint64_t> next_cookie_{1};
  std::atomic<const SyscallTracer*> tracer_{nullptr};
  RefPtr<ThreadGroup> init_;
  std::unique_ptr<TimerQueue> timers_;
  UtsName uts_ ABSL_GUARDED_BY(task_set_capability);
  const int64_t boot_monotonic_ns_;
  struct InitExit;
  std::unique_ptr<InitExit> init_exit_;
};

}  // namespace runsc
