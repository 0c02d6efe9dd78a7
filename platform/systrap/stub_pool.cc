// See stub_pool.h.
#include "platform/systrap/stub_pool.h"

#include <pthread.h>

#include <utility>

#include "platform/systrap/futex_unsafe.h"

namespace runsc::systrap {

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
  MutexLock lock(mu_);
  rest.swap(ready_);  // destroyed after the lock is given back
}

std::shared_ptr<StubProcess> StubPool::Take() {
  std::vector<std::shared_ptr<StubProcess>> taken;  // dead ones are destroyed without the lock
  {
    MutexLock lock(mu_);
    while (!ready_.empty() && (taken.empty() || !taken.back()->alive())) {
      taken.push_back(std::move(ready_.back()));
      ready_.pop_back();
    }
  }
  __atomic_fetch_add(&wanted_, 1, __ATOMIC_SEQ_CST);
  FutexWakeAll(&wanted_);
  return !taken.empty() && taken.back()->alive() ? taken.back() : nullptr;
}

bool StubPool::NeedsMore() {
  MutexLock lock(mu_);
  return ready_.size() < kReady;
}

void StubPool::Main() {
  pthread_setname_np(pthread_self(), "stub-pool");
  while (!stop_.load()) {
    const uint32_t seen = __atomic_load_n(&wanted_, __ATOMIC_SEQ_CST);
    std::shared_ptr<StubProcess> stub = NeedsMore() ? maker_() : nullptr;
    if (!stub) {
      FutexWait(&wanted_, seen);
      continue;
    }
    MutexLock lock(mu_);
    ready_.push_back(std::move(stub));
  }
}

}  // namespace runsc::systrap
