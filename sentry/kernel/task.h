// One guest thread: its sentry thread runs Task::RunLoop, serving the guest's events one at a time.
#pragma once

#include <atomic>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "platform/platform.h"
#include "sentry/kernel/deadline.h"
#include "sentry/kernel/fd_table.h"
#include "sentry/kernel/fs_context.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/memory_manager.h"
#include "sentry/kernel/signals.h"
#include "sentry/kernel/thread_group.h"
#include "sentry/vfs/vfs.h"

namespace runsc {

// References: the kernel's table while it lives, and lookups in progress. Fields without a comment belong
// to the task's own thread.
class Task : public RefCounted {
 public:
  Kernel& kernel() const { return kernel_; }
  ThreadGroup& thread_group() const { return *thread_group_; }
  int tid() const { return tid_.load(std::memory_order_relaxed); }
  int pid() const { return thread_group_->pid(); }

  // --- what the task works with. Other threads use the *Snapshot() forms (kTask lock).
  MemoryManager& mm() const { return *mm_; }
  RefPtr<MemoryManager> MmSnapshot() const;
  FdTable& fds() const { return *fds_; }
  RefPtr<FdTable> FdsSnapshot() const;
  FsContext& fs() const { return *fs_; }
  RefPtr<FsContext> FsSnapshot() const;
  const CredentialsRef& creds() const { return creds_; }
  CredentialsRef CredsSnapshot() const;
  void SetCreds(CredentialsRef creds);
  void SetFds(RefPtr<FdTable> fds);  // unshare(2)
  void SetFs(RefPtr<FsContext> fs);
  Resolver resolver() const { return {const_cast<Task&>(*this), fs_->root(), creds_, fs_->umask()}; }
  Vfs& vfs() const { return kernel_.vfs(); }
  Context& context() { return *context_; }
  std::string name() const;  // comm, any thread
  void set_name(std::string_view name);

  // --- user memory. Addresses are guest addresses; every byte is read once. EFAULT.
  Result<void> CopyIn(GuestAddr addr, void* dst, size_t size);
  Result<void> CopyOut(GuestAddr addr, const void* src, size_t size);
  template <typename T>
  Result<T> CopyInObject(GuestAddr addr) {
    T value;
    TRY(CopyIn(addr, &value, sizeof(value)));
    return value;
  }
  template <typename T>
  Result<void> CopyOutObject(GuestAddr addr, const T& value) {
    return CopyOut(addr, &value, sizeof(value));
  }
  // NUL-terminated, without the NUL. ENAMETOOLONG if longer than max-1 bytes.
  Result<std::string> CopyInString(GuestAddr addr, size_t max);
  Result<std::string> CopyInPath(GuestAddr addr);  // PATH_MAX
  // struct iovec[count]: EINVAL above IOV_MAX or if the sum exceeds SSIZE_MAX; clamps to MAX_RW_COUNT.
  Result<std::vector<iovec>> CopyInIovecs(GuestAddr addr, size_t count);
  // Up to `size` bytes; short at the first bad page.
  size_t CopyInPartial(GuestAddr addr, void* dst, size_t size);
  size_t CopyOutPartial(GuestAddr addr, const void* src, size_t size);

  // --- blocking: the one primitive.
  // Sleeps until Wake(), a signal to handle (kRestartSys) or the deadline (ETIMEDOUT). A Wake() that came
  // first makes it return at once; wakes can be spurious: callers re-check their condition in a loop.
  Result<void> Block(Deadline deadline = kNever);
  // As Block, but only SIGKILL interrupts (vfork's parent, uninterruptible waits).
  Result<void> BlockKillable();
  // Until the next wake, whatever it is: for a task at its end or in its tracer's hand.
  void BlockUntilWoken();
  void Wake();                    // any thread; takes no lock below kTaskWake
  bool HasPendingSignal() const;  // a signal that would interrupt Block now
  // A call interrupted by kRestartBlock continues here when no handler ran (nanosleep & co.).
  void SetRestart(std::function<SyscallResult(Task&)> restart) { restart_ = std::move(restart); }
  SyscallResult RestartInterrupted() { return restart_ ? restart_(*this) : SyscallResult(Errno(EINTR)); }

  // --- signals (kernel/signal_delivery.cc)
  SignalSet signal_mask() const;
  void SetSignalMask(SignalSet mask);
  // ppoll, sigsuspend & co.: installs a mask until the call returns to the guest, where the saved one is
  // restored after a handler's frame recorded it.
  void SetTemporarySignalMask(SignalSet mask);
  // Sends to this very thread (tgkill, faults). EAGAIN when the queue limit is hit. Signals to processes
  // and process groups: signal_send.h.
  Result<void> SendSignal(const siginfo_t& info);
  Result<void> SendSignalLocked(const siginfo_t& info) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  void ForceSignal(siginfo_t info);  // synchronous fault: cannot be blocked or ignored
  // Takes a pending signal of `wanted`, the thread's own or the process', blocked or not (signalfd,
  // sigtimedwait). ThreadGroup::signal_events tells when to look.
  std::optional<siginfo_t> TakeSignal(SignalSet wanted);
  SignalSet PendingSignals() const;

  // --- life
  // clone(2) in all its forms. Returns the child's tid.
  struct CloneArgs {
    uint64_t flags = 0;
    GuestAddr stack = 0;  // 0: the parent's stack pointer
    GuestAddr parent_tid = 0, child_tid = 0, tls = 0;
    int exit_signal = 0;
    GuestAddr pidfd = 0;           // CLONE_PIDFD: where its descriptor's number goes
    std::vector<int32_t> set_tid;  // wanted ids, innermost pid namespace first
  };
  SyscallResult Clone(const CloneArgs& args);
  // `flags`: AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW.
  Result<void> Exec(const Path& start, std::string path, std::vector<std::string> argv, std::vector<std::string> envp,
                    int flags);
  void Exit(int status);            // this thread only (exit(2)); takes effect when the handler returns
  void ExitGroup(int wait_status);  // the whole process

  uint64_t rlimit(int resource) const;  // current (soft) limit

  // --- state for /proc, any thread
  char StateLetter() const;       // R S D T Z
  uint64_t UserTimeNs() const;    // of the guest thread
  uint64_t SystemTimeNs() const;  // of the sentry thread serving it
  uint64_t CpuTimeNs() const { return UserTimeNs() + SystemTimeNs(); }
  std::atomic<uint64_t> syscalls{0};

  // --- engine room (kernel/task_run.cc, clone.cc, exit.cc, exec.cc)
  struct Parts;     // everything a new task is made from (run_state.h)
  struct RunState;  // what the run loop and its wakers share (run_state.h)
  Task(Kernel& kernel, Parts parts, int tid);
  ~Task() override;
  void StartThread(class ReservedThread thread);
  RunState& run() const { return *run_; }
  // Registers at the current event, and replacing them (rt_sigreturn, exec): the call's result is dropped.
  void ReplaceRegisters(const Registers& regs);
  // Completes the current call by having the stub make this one itself.
  void SubmitNative(const SyscallRequest& call);
  // Tells the engine who it answers getpid, getuid & co. for. Own thread.
  void PublishIdentity();
  // Something to do came up: stops guest code, or wakes from Block. Any thread, task set locked.
  void NoticeWorkLocked(uint32_t work, bool wake) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  // Blocked signals, whoever asks.
  SignalSet MaskFromAnyThread() const;

  SignalQueue pending;  // guarded by task_set_mu
  struct SignalStack {
    GuestAddr sp = 0;
    uint64_t size = 0;
    int flags = 2 /* SS_DISABLE */;
  } sigaltstack;
  GuestAddr RobustList() const;  // any thread
  int pdeath_signal = 0;
  bool vfork_child = false;
  std::array<uint64_t, 16> affinity{};  // sched_setaffinity's mask; all zero: every CPU
  std::atomic<int> sched_policy{0};     // SCHED_OTHER, _BATCH, _IDLE
  std::atomic<int> nice{0};
  std::atomic<int> io_priority{0};  // ioprio_set's class and level: kept only, the host schedules its disks
  std::atomic<uint64_t> timer_slack_ns{50000};
  uint64_t default_timer_slack_ns = 50000;  // what PR_SET_TIMERSLACK with 0 brings back

 private:
  friend class Kernel;
  static void ThreadMain(void* task);
  void StartClock();
  void RunLoop();
  bool EnterGuest();
  void RunOnce();
  void TellForwarded();  // which calls the engine must not answer
  void HandleEvent(const Event& event);
  void HandleSyscall(const Event& event);
  void HandleTracedSyscall(const Event& event);
  void HandleInterrupted();
  void ShowInterrupted(Errno code);
  SyscallResult Dispatch(SyscallRequest request);
  void FinishSyscall(const Event& event, const SyscallResult& result);
  bool RestartCall(const Event& event, SyscallResult& result);
  void HandleFault(const FaultInfo& fault);
  void DoWork();
  void RecalculatePending();
  void WaitWhileStopped();
  void WaitWhileFrozen();

  // signal_delivery.cc
  struct Delivery;
  std::optional<Delivery> NextDelivery();
  std::optional<siginfo_t> DequeueSignal();
  std::optional<Delivery> DecideDelivery(const siginfo_t& info);
  void FixUpForHandler(Registers& regs, const Delivery& delivery, std::optional<Errno> restart);
  bool DeliverSignals(std::optional<Errno> restart);
  bool ActOnSignal(const Delivery& delivery, std::optional<Errno> restart);
  bool PushHandlerFrame(const Delivery& delivery, std::optional<Errno> restart);
  void BeginGroupStop(int signo);
  void RestoreTemporaryMask();

  // clone.cc
  Result<RefPtr<Task>> MakeChild(const CloneArgs& args, int tid);
  Result<void> AttachContext(const CloneArgs& args, Task& child, const ThreadStart& start);
  ThreadStart ChildStart(const CloneArgs& args, const Task& child);
  Result<void> PublishChild(const CloneArgs& args, Task& child, bool traced);
  void Launch();
  Errno ReturnPid(int tid, Errno error);
  void WaitForVfork(struct VforkLatch& latch);

  // exec.cc
  struct ExecRequest;
  Result<void> KillSiblings();
  RefPtr<Task> TakeLeaderTidLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  Result<void> PrepareExec(ExecRequest& request, const Path& start, int flags);
  Result<void> SwitchImage(ExecRequest& request);
  Result<void> WriteImage(ExecRequest& request);
  void ResetForExec(ExecRequest& request);
  void FinishExec(ExecRequest& request);

  // exit.cc
  void DoExit();
  void ReleaseVforkParent();
  void ReleaseMemory();
  void LeaveThreadGroup();
  void ReleaseFiles();
  bool RemoveFromGroup(RefPtr<Task>& self);
  void EndGroupLocked(std::vector<RefPtr<ThreadGroup>>& garbage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);

  Kernel& kernel_;
  RefPtr<ThreadGroup> thread_group_;
  std::atomic<int> tid_;  // changes only when a non-leader execs
  RefPtr<MemoryManager> mm_;
  RefPtr<FdTable> fds_;
  RefPtr<FsContext> fs_;
  CredentialsRef creds_;
  std::unique_ptr<Context> context_;  // replaced under mu_
  mutable Mutex mu_{LockRank::kTask};
  std::string name_ ABSL_GUARDED_BY(mu_);
  std::function<SyscallResult(Task&)> restart_;
  std::unique_ptr<RunState> run_;
};

// Waits until `attempt` gives something else than EAGAIN, sleeping on `queue` for `events`. The pattern of
// every blocking call: register first, then try, so no wake-up is lost.
class TaskWaiter : public Waiter {
 public:
  TaskWaiter(Task& task, EventMask mask) : Waiter(mask), task_(task) {}
  void OnNotify(EventMask) override { task_.Wake(); }

 private:
  Task& task_;
};

template <typename Attempt>
auto BlockUntil(Task& task, WaitQueue& queue, EventMask events, Deadline deadline, Attempt attempt)
    -> decltype(attempt()) {
  auto result = attempt();
  if (result.ok() || !(result.error() == Errno(EAGAIN))) return result;
  TaskWaiter waiter(task, events);
  queue.Add(waiter);
  for (;;) {
    result = attempt();
    if (result.ok() || !(result.error() == Errno(EAGAIN))) break;
    if (auto slept = task.Block(deadline); !slept.ok()) {
      result = slept.error();
      break;
    }
  }
  queue.Remove(waiter);
  return result;
}

// Guest memory as the destination and source of I/O (kernel/user_io.cc).
class UserSink : public IoSink {
 public:
  UserSink(Task& task, std::vector<iovec> iovecs);
  UserSink(Task& task, GuestAddr addr, size_t size);
  size_t remaining() const override { return remaining_; }
  Result<size_t> Write(std::span<const std::byte> data) override;
  Result<size_t> FillFromHost(int host_fd, int64_t offset, size_t size) override;

 private:
  void Advance(size_t n);
  Result<size_t> FillStaged(std::byte* room, int host_fd, int64_t offset, size_t size);
  Task& task_;
  iovec single_;
  std::vector<iovec> many_;
  std::span<iovec> left_;
  size_t remaining_ = 0;
};

class UserSource : public IoSource {
 public:
  UserSource(Task& task, std::vector<iovec> iovecs);
  UserSource(Task& task, GuestAddr addr, size_t size);
  size_t remaining() const override { return remaining_; }
  Result<size_t> Read(std::span<std::byte> data) override;
  void Unread(size_t size) override;
  Result<size_t> DrainToHost(int host_fd, int64_t offset, size_t size) override;

 private:
  std::span<const iovec> All() const;
  iovec Current();
  void Advance(size_t n);
  Task& task_;
  iovec single_;
  std::vector<iovec> many_;
  size_t index_ = 0, within_ = 0;  // position: iovec and byte in it
  size_t remaining_ = 0;
};

}  // namespace runsc
