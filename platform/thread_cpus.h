// Which CPUs a guest thread may run on, as its sentry thread tells the engine that places both.
#pragma once

#include <sched.h>

#include <atomic>
#include <mutex>

namespace runsc {

// Set from any thread; read by the owning sentry thread, which points to it.
class ThreadCpus {
 public:
  void Set(const cpu_set_t& cpus) {
    std::lock_guard<std::mutex> l(mu_);
    cpus_ = cpus;
    version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  cpu_set_t Get() const {
    std::lock_guard<std::mutex> l(mu_);
    return cpus_;
  }
  // Counts the changes; 0: never restricted.
  unsigned version() const { return version_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mu_;
  cpu_set_t cpus_{};
  std::atomic<unsigned> version_{0};
};

// Those of the guest thread that the calling thread serves; null: all.
inline thread_local const ThreadCpus* current_thread_cpus = nullptr;

}  // namespace runsc
