// Stubs made ahead of need: pristine address spaces, each with a host thread that waits for its
// first guest thread. exec after vfork takes one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "platform/base/mutex.h"
#include "platform/stub/stub_process.h"

namespace runsc::stub {

class StubPool {
 public:
  using Maker = std::function<std::shared_ptr<StubProcess>()>;  // null: none to be had now

  // Starts the thread that keeps the pool full.
  void Start(Maker maker);
  // Ends it and drops what is left.
  void Stop();
  // A ready stub, or null if the pool is empty.
  std::shared_ptr<StubProcess> Take();

 private:
  void Main();
  bool BeginMaking();  // false: there are enough
  void EndMaking(std::shared_ptr<StubProcess> stub);

  // One for the first program; more only for a guest that turns out to exec from vfork.
  static constexpr size_t kFirst = 1, kReady = 2;
  Maker maker_;
  std::thread thread_;
  uint32_t wanted_ = 0;  // futex word: changes when a stub was taken
  uint32_t made_ = 0;    // futex word: changes when an attempt to make one ended
  std::atomic<bool> stop_{false};
  Mutex mu_{LockRank::kPlatformPool};
  size_t taken_ ABSL_GUARDED_BY(mu_) = 0;
  bool making_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::shared_ptr<StubProcess>> ready_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc::stub
