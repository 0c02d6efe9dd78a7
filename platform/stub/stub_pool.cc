// See stub_pool.h.
#include "platform/stub/stub_pool.h"

#include <pthread.h>

#include <utility>

#include "platform/stub/futex_unsafe.h"

namespace runsc::stub {

void StubPool::Start(Maker maker) {
  maker_ = std::move(maker);
  thread_ = std::thread([this] { Main(); });
}

void StubPool::Stop() {
  if (!thread_.joinable()) return;
  stop_.store(true);
  __atomic_fetch_add(&wanted_, 1, __ATOMIC_SEQ_CST);
  FutexWakeAll(&wanted_);
  thread_.join();
  std::vector<std::shared_ptr<StubProcess>> rest;
  {
    MutexLock lock(mu_);
    rest.swap(ready_);
  }
  for (const std::shared_ptr<StubProcess>& stub : rest) stub->Kill();  // the watcher has it too
}

// One that is nearly ready is worth waiting for: the caller would only make another by the same means.
std::shared_ptr<StubProcess> StubPool::Take() {
  std::vector<std::shared_ptr<StubProcess>> taken;  // dead ones are destroyed without the lock
  for (bool first = true;; first = false) {
    const uint32_t seen = __atomic_load_n(&made_, __ATOMIC_SEQ_CST);
    {
      MutexLock lock(mu_);
      taken_ += first;
      while (!ready_.empty() && (taken.empty() || !taken.back()->alive())) {
        taken.push_back(std::move(ready_.back()));
        ready_.pop_back();
      }
      if (!making_ || (!taken.empty() && taken.back()->alive())) break;
    }
    FutexWait(&made_, seen);
  }
  __atomic_fetch_add(&wanted_, 1, __ATOMIC_SEQ_CST);
  FutexWakeAll(&wanted_);
  return !taken.empty() && taken.back()->alive() ? taken.back() : nullptr;
}

bool StubPool::BeginMaking() {
  MutexLock lock(mu_);
  const size_t goal = taken_ == 0 ? kFirst : taken_ == 1 ? 0 : kReady;
  making_ = ready_.size() < goal;
  return making_;
}

void StubPool::EndMaking(std::shared_ptr<StubProcess> stub) {
  {
    MutexLock lock(mu_);
    making_ = false;
    if (stub) ready_.push_back(std::move(stub));
  }
  __atomic_fetch_add(&made_, 1, __ATOMIC_SEQ_CST);
  FutexWakeAll(&made_);
}

void StubPool::Main() {
  pthread_setname_np(pthread_self(), "stub-pool");
  while (!stop_.load()) {
    const uint32_t seen = __atomic_load_n(&wanted_, __ATOMIC_SEQ_CST);
    const bool wanted = BeginMaking();
    std::shared_ptr<StubProcess> stub = wanted ? maker_() : nullptr;
    const bool made = stub != nullptr;
    if (wanted) EndMaking(std::move(stub));
    if (!made) FutexWait(&wanted_, seen);
  }
}

}  // namespace runsc::stub
