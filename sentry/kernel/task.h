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
  int tid() const { return tid_; }
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
  Resolver resolver() const { return {const_cast<Task&>(*this), fs_->root(), creds_}; }
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
  void Wake();  // any thread; takes no lock below kTaskWake
  bool HasPendingSignal() const;  // a signal that would interrupt Block now
  // A call interrupted by kRestartBlock continues here when no handler ran (nanosleep & co.).
  void SetRestart(std::function<SyscallResult(Task&)> restart) { restart_ = std::move(restart); }

  // --- signals (kernel/signal_delivery.cc)
  SignalSet signal_mask() const;
  void SetSignalMask(SignalSet mask);
  // ppoll, sigsuspend & co.: installs a mask until the call returns to the guest, where the saved one is
  // restored after a handler's frame recorded it.
  void SetTemporarySignalMask(SignalSet mask);
  // Sends to this very thread (tgkill, faults). EAGAIN when the queue limit is hit.
  Result<void> SendSignal(const siginfo_t& info);
  Result<void> SendSignalLocked(const siginfo_t& info) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kernel_.task_set_mu());
  void ForceSignal(siginfo_t info);  // synchronous fault: cannot be blocked or ignored

  // --- life
  // clone(2) in all its forms. Returns the child's tid.
  struct CloneArgs {
    uint64_t flags = 0;
    GuestAddr stack = 0;      // 0: the parent's stack pointer
    GuestAddr parent_tid = 0, child_tid = 0, tls = 0;
    int exit_signal = 0;
    GuestAddr pidfd = 0;
  };
  SyscallResult Clone(const CloneArgs& args);
  Result<void> Exec(const Path& start, std::string path, std::vector<std::string> argv,
                    std::vector<std::string> envp, int flags);
  void Exit(int status);                 // this thread only (exit(2)); takes effect when the handler returns
  void ExitGroup(int wait_status);       // the whole process

  uint64_t rlimit(int resource) const;   // current (soft) limit

  // --- state for /proc
  char StateLetter() const;              // R S D T Z
  uint64_t CpuTimeNs();
  std::atomic<uint64_t> syscalls{0};

  // --- engine room (kernel/task_run.cc, clone.cc, exit.cc, exec.cc)
  struct Parts;  // everything a new task is made from
  Task(Kernel& kernel, Parts parts, int tid);
  ~Task() override;
  void StartThread();

  SignalQueue pending;                   // guarded by task_set_mu
  struct SignalStack { GuestAddr sp = 0; uint64_t size = 0; int flags = 2 /* SS_DISABLE */; } sigaltstack;
  GuestAddr robust_list = 0;
  int pdeath_signal = 0;
  bool vfork_child = false;

 private:
  friend class Kernel;
  Kernel& kernel_;
  RefPtr<ThreadGroup> thread_group_;
  int tid_;                              // changes only when a non-leader execs
  RefPtr<MemoryManager> mm_;
  RefPtr<FdTable> fds_;
  RefPtr<FsContext> fs_;
  CredentialsRef creds_;
  std::unique_ptr<Context> context_;
  mutable Mutex mu_{LockRank::kTask};
  std::string name_ ABSL_GUARDED_BY(mu_);
  std::function<SyscallResult(Task&)> restart_;
  struct RunState;                       // task_run.cc's private part
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
  Task& task_;
  iovec single_;
  std::vector<iovec> many_;
  size_t index_ = 0, within_ = 0;  // position: iovec and byte in it
  size_t remaining_ = 0;
};

}  // namespace runsc
