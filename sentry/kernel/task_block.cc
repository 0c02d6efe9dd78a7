// Task::Block, the one way a task sleeps, and what wakes it.
#include "sentry/kernel/host_thread.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

// Consumes a wake that came first. Otherwise announces the sleep: every waker from now on will notice.
bool BeginSleep(std::atomic<uint32_t>& wake) {
  uint32_t expected = Task::RunState::kAwake;
  if (wake.compare_exchange_strong(expected, Task::RunState::kAsleep)) return true;
  wake.store(Task::RunState::kAwake);
  return false;
}

void EndSleep(std::atomic<uint32_t>& wake) { wake.store(Task::RunState::kAwake); }

// Sleeps until woken; false when the deadline passed.
bool Sleep(Context* context, std::atomic<uint32_t>& wake, Deadline deadline) {
  if (context != nullptr) context->GoIdle();
  while (wake.load(std::memory_order_acquire) == Task::RunState::kAsleep) {
    if (!FutexWaitHost(&wake, Task::RunState::kAsleep, deadline)) return false;
  }
  return true;
}

}  // namespace

void Task::Wake() {
  if (run_->wake.exchange(RunState::kWoken) == RunState::kAsleep) FutexWakeHost(&run_->wake, 1);
}

bool Task::HasPendingSignal() const {
  if (!run_->HasInterruption()) return false;
  const_cast<Task*>(this)->RecalculatePending();
  return run_->HasInterruption();
}

Result<void> Task::Block(Deadline deadline) {
  if (HasPendingSignal()) return kRestartSys;
  if (!BeginSleep(run_->wake)) return {};
  // A signal sent between the check and the announcement only left its flag.
  if (run_->HasInterruption()) {
    EndSleep(run_->wake);
    return {};
  }
  const bool woken = Sleep(context_.get(), run_->wake, deadline);
  EndSleep(run_->wake);
  if (!woken) return Errno(ETIMEDOUT);
  if (HasPendingSignal()) return kRestartSys;
  return {};
}

Result<void> Task::BlockKillable() {
  const auto killed = [this] { return (run_->work.load() & RunState::kKill) != 0; };
  if (killed()) return kRestartNoIntr;
  if (!BeginSleep(run_->wake)) return {};
  if (!killed()) Sleep(context_.get(), run_->wake, kNever);
  EndSleep(run_->wake);
  if (killed()) return kRestartNoIntr;
  return {};
}

void Task::BlockUntilWoken() {
  if (!BeginSleep(run_->wake)) return;
  Sleep(context_.get(), run_->wake, kNever);
  EndSleep(run_->wake);
}

}  // namespace runsc
