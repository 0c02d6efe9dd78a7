#include "sentry/kernel/task.h"

#include <time.h>

#include "sentry/kernel/pids.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/seccomp.h"

namespace runsc {

Task::Task(Kernel& kernel, Parts parts, int tid)
    : kernel_(kernel),
      thread_group_(std::move(parts.thread_group)),
      tid_(tid),
      mm_(std::move(parts.mm)),
      fds_(std::move(parts.fds)),
      fs_(std::move(parts.fs)),
      creds_(std::move(parts.creds)),
      name_(std::move(parts.name)),
      run_(std::make_unique<RunState>()) {}

Task::~Task() = default;

RefPtr<MemoryManager> Task::MmSnapshot() const {
  MutexLock l(mu_);
  return mm_;
}

RefPtr<FdTable> Task::FdsSnapshot() const {
  MutexLock l(mu_);
  return fds_;
}

RefPtr<FsContext> Task::FsSnapshot() const {
  MutexLock l(mu_);
  return fs_;
}

CredentialsRef Task::CredsSnapshot() const {
  MutexLock l(mu_);
  return creds_;
}

void Task::SetCreds(CredentialsRef creds) {
  {
    MutexLock l(mu_);
    std::swap(creds_, creds);
  }
  if (context_) PublishIdentity();
}

void Task::SetFds(RefPtr<FdTable> fds) {
  MutexLock l(mu_);
  std::swap(fds_, fds);
}

void Task::SetFs(RefPtr<FsContext> fs) {
  MutexLock l(mu_);
  std::swap(fs_, fs);
}

GuestAddr Task::RobustList() const {
  MutexLock l(mu_);
  return context_ ? context_->RobustList() : 0;
}

std::string Task::name() const {
  MutexLock l(mu_);
  return name_;
}

// TASK_COMM_LEN: 15 bytes and a NUL.
void Task::set_name(std::string_view name) {
  MutexLock l(mu_);
  name_ = std::string(name.substr(0, 15));
}

void Task::PublishIdentity() { context_->SetIdentity(IdentityOf(*this, *creds_)); }

void Task::ReplaceRegisters(const Registers& regs) {
  context_->WriteRegisters(regs);
  run_->registers_replaced = true;
}

void Task::SubmitNative(const SyscallRequest& call) {
  run_->native_reports = (run_->trace_mode & (kTraceCalls | kTraceSteps)) != 0;
  context_->SubmitNative(call, run_->native_reports);
  run_->submitted = call;
  run_->registers_replaced = true;
}

uint64_t Task::rlimit(int resource) const {
  return __atomic_load_n(&thread_group_->limits[resource].rlim_cur, __ATOMIC_RELAXED);
}

char Task::StateLetter() const {
  if (run_->dead.load(std::memory_order_relaxed)) return 'Z';
  if (run_->trace_stopped.load(std::memory_order_relaxed)) return 't';
  if (run_->stopped.load(std::memory_order_relaxed)) return 'T';
  if (run_->wake.load(std::memory_order_relaxed) == RunState::kAsleep) return 'S';
  MutexLock l(mu_);
  return run_->in_guest.load() && context_ && context_->Sleeps() ? 'S' : 'R';
}

uint64_t Task::UserTimeNs() const {
  MutexLock l(mu_);
  return run_->past_user_ns + (context_ ? context_->CpuTimeNs() : 0);
}

uint64_t Task::SystemTimeNs() const {
  if (!run_->has_clock.load(std::memory_order_acquire)) return 0;
  timespec ts;
  if (clock_gettime(run_->sentry_clock, &ts) != 0) return 0;
  return static_cast<uint64_t>(ToNs(ts)) - run_->sentry_clock_base_ns;
}

SignalSet Task::MaskFromAnyThread() const {
  MutexLock l(mu_);
  return context_ ? context_->SignalMask() & ~kUnblockable : ~SignalSet{0};
}

}  // namespace runsc
