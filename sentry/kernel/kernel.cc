#include "sentry/kernel/kernel.h"

#include <time.h>

#include <algorithm>

#include "sentry/kernel/host_thread.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signal_send.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/thread_group.h"
#include "sentry/kernel/timers.h"

namespace runsc {
namespace {

constexpr int kMaxPid = 4194304, kFirstReusedPid = 300;
constexpr size_t kMaxTasks = 32000;  // each costs two host threads

int64_t ClockNs(clockid_t clock) {
  timespec ts;
  clock_gettime(clock, &ts);
  return ToNs(ts);
}

}  // namespace

struct Kernel::InitExit {
  std::atomic<uint32_t> threads{0};  // live task threads
  std::atomic<uint32_t> gone{0};     // pid 1 is
  int status = 0;
};

Kernel::Kernel(Options options)
    : options_(std::move(options)),
      timers_(std::make_unique<TimerQueue>()),
      uts_(options_.uts),
      boot_monotonic_ns_(MonotonicNs()),
      init_exit_(std::make_unique<InitExit>()) {}

Kernel::~Kernel() { Destroy(); }

int64_t Kernel::MonotonicNs() { return ClockNs(CLOCK_MONOTONIC); }
int64_t Kernel::RealtimeNs() { return ClockNs(CLOCK_REALTIME); }

// --- the process table

Result<int> Kernel::AllocatePidLocked(Task* task) {
  if (tasks_.size() >= kMaxTasks) return Errno(EAGAIN);
  int pid = next_pid_;
  const auto in_use = [this](int id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability) {
    if (tasks_.count(id)) return true;
    return std::any_of(groups_.begin(), groups_.end(),
                       [id](const auto& entry) { return entry.second->pgid == id || entry.second->sid == id; });
  };
  const bool wrapped = wrapped_;
  while (pid >= kMaxPid || (wrapped && in_use(pid))) pid = pid >= kMaxPid ? kFirstReusedPid : pid + 1;
  if (pid < next_pid_) {
    wrapped_ = true;
    while (in_use(pid)) ++pid;
  }
  next_pid_ = pid + 1;
  tasks_[pid] = task;
  if (task != nullptr) task->IncRef();
  return pid;
}

Result<void> Kernel::ClaimPidLocked(int pid) {
  if (pid < 1 || pid >= kMaxPid) return Errno(EINVAL);
  if (tasks_.size() >= kMaxTasks) return Errno(EAGAIN);
  if (!tasks_.emplace(pid, nullptr).second) return Errno(EEXIST);
  return {};
}

void Kernel::InsertTaskLocked(Task& task) {
  task.IncRef();
  tasks_[task.tid()] = &task;
}

RefPtr<Task> Kernel::RemoveTaskLocked(int tid) {
  const auto it = tasks_.find(tid);
  if (it == tasks_.end()) return nullptr;
  Task* task = it->second;
  tasks_.erase(it);
  return RefPtr<Task>::Adopt(task);
}

void Kernel::InsertThreadGroupLocked(ThreadGroup& group) {
  groups_[group.pid()] = &group;
  ++forks_;
}

void Kernel::RemoveThreadGroupLocked(int pid) { groups_.erase(pid); }

Task* Kernel::FindTaskLocked(int tid) {
  const auto it = tasks_.find(tid);
  if (it == tasks_.end() || it->second == nullptr) return nullptr;
  return it->second;
}

ThreadGroup* Kernel::FindThreadGroupLocked(int pid) {
  const auto it = groups_.find(pid);
  return it == groups_.end() ? nullptr : it->second;
}

std::vector<ThreadGroup*> Kernel::ThreadGroupsLocked() {
  std::vector<ThreadGroup*> groups;
  groups.reserve(groups_.size());
  for (const auto& [pid, group] : groups_) groups.push_back(group);
  return groups;
}

std::vector<RefPtr<ThreadGroup>> Kernel::ThreadGroups() {
  std::vector<RefPtr<ThreadGroup>> groups;
  MutexLock l(task_set_mu());
  for (const auto& [pid, group] : groups_) groups.emplace_back(group);
  return groups;
}

RefPtr<Task> Kernel::FindTask(int tid) {
  MutexLock l(task_set_mu());
  return RefPtr<Task>(FindTaskLocked(tid));
}

void Kernel::SetTaskLimitLocked(int container, uint64_t limit) { task_limits_[container] = limit; }

uint64_t Kernel::TaskLimitLocked(int container) const {
  const auto found = task_limits_.find(container);
  return found == task_limits_.end() ? UINT64_MAX : found->second;
}

std::shared_ptr<AddressSpaceFamily> Kernel::SetFamilyLocked(int container, std::shared_ptr<AddressSpaceFamily> family) {
  std::swap(families_[container], family);
  return family;
}

absl::StatusOr<std::unique_ptr<AddressSpace>> Kernel::NewAddressSpace(int container) {
  std::shared_ptr<AddressSpaceFamily> family;
  {
    MutexLock l(task_set_mu());
    family = families_[container];
  }
  return family ? family->NewAddressSpace() : platform().NewAddressSpace();
}

// Guest code that runs now must begin to forward its calls, or need no more.
void Kernel::SetTracer(const SyscallTracer* tracer) {
  tracer_ = tracer;
  MutexLock l(task_set_mu());
  for (const auto& [tid, task] : tasks_) {
    if (task != nullptr) task->NoticeWorkLocked(Task::RunState::kRefresh, false);
  }
}

uint64_t Kernel::CountTasksLocked(int container) const {
  uint64_t count = 0;
  for (const auto& [tid, task] : tasks_) count += task != nullptr && task->thread_group().container == container;
  return count;
}

// Not even root may exceed it.
Result<void> Kernel::CheckContainerLimitLocked(const Task& task) {
  const int container = task.thread_group().container;
  const uint64_t limit = TaskLimitLocked(container);
  return limit != UINT64_MAX && CountTasksLocked(container) >= limit ? Errno(EAGAIN) : Result<void>();
}

// Root may exceed its limit, as on Linux.
Result<void> Kernel::CheckProcessLimitLocked(const Task& task) {
  const uint64_t limit = task.rlimit(RLIMIT_NPROC);
  const Credentials& creds = *task.creds();
  if (creds.ruid == 0 || creds.Has(CAP_SYS_RESOURCE) || creds.Has(CAP_SYS_ADMIN) || tasks_.size() < limit) return {};
  uint64_t count = 0;
  for (const auto& [tid, other] : tasks_) {
    if (other != nullptr && other->CredsSnapshot()->ruid == creds.ruid) ++count;
  }
  return count >= limit ? Errno(EAGAIN) : Result<void>();
}

// --- names and numbers

UtsName Kernel::uts() {
  MutexLock l(task_set_mu());
  return uts_;
}

void Kernel::set_uts(UtsName uts) {
  MutexLock l(task_set_mu());
  uts_ = std::move(uts);
}

uint64_t Kernel::NextSocketCookie() { return next_cookie_.fetch_add(1, std::memory_order_relaxed); }

uint64_t Kernel::total_forks() const {
  auto& self = const_cast<Kernel&>(*this);
  MutexLock l(self.task_set_mu());
  return self.forks_;
}

// --- init

int Kernel::WaitForInit() {
  while (init_exit_->gone.load() == 0) FutexWaitHost(&init_exit_->gone, 0, kNever);
  return init_exit_->status;
}

void Kernel::PublishInitExit(int wait_status) {
  init_exit_->status = wait_status;
  init_exit_->gone.store(1);
  FutexWakeHost(&init_exit_->gone, INT32_MAX);
}

void Kernel::TaskThreadStarted() { init_exit_->threads.fetch_add(1); }

void Kernel::TaskThreadEnded() {
  InitExit& state = *init_exit_;
  if (state.threads.fetch_sub(1) <= 2) FutexWakeHost(&state.threads, INT32_MAX);
}

void Kernel::WaitForThreads(uint32_t left) {
  for (uint32_t n; (n = init_exit_->threads.load()) > left;) FutexWaitHost(&init_exit_->threads, n, kNever);
}

void Kernel::KillAllButInit(Task&) {
  {
    MutexLock l(task_set_mu());
    shutting_down_ = true;
    for (const auto& [pid, group] : groups_) {
      if (group != init_.get()) KillGroupLocked(*group, SIGKILL);
    }
  }
  WaitForThreads(1);
}

void Kernel::OnAddressSpaceDeath(pid_t host_pid) {
  std::vector<RefPtr<MemoryManager>> seen;  // a last reference must not go under the lock
  MutexLock l(task_set_mu());
  for (const auto& [pid, group] : groups_) {
    // Any of them: those that are exiting have no memory any more.
    for (Task* task : group->tasks) {
      RefPtr<MemoryManager> mm = task->MmSnapshot();
      if (!mm) continue;
      if (mm->address_space().host_pid() == host_pid) KillGroupLocked(*group, SIGKILL);
      seen.push_back(std::move(mm));
    }
  }
}

void Kernel::Destroy() {
  {
    MutexLock l(task_set_mu());
    shutting_down_ = true;
    for (const auto& [pid, group] : groups_) KillGroupLocked(*group, SIGKILL);
  }
  WaitForThreads(0);
  std::map<int, Task*> tasks;
  RefPtr<ThreadGroup> init;
  {
    MutexLock l(task_set_mu());
    tasks.swap(tasks_);
    groups_.clear();
    std::swap(init, init_);
  }
  for (const auto& [tid, task] : tasks) {
    if (task != nullptr) task->DecRef();
  }
}

}  // namespace runsc
