// Detached threads of the sentry: small stacks, every signal blocked.
#pragma once

#include <cstddef>
#include <utility>

namespace runsc {

inline constexpr size_t kTaskStackSize = 256 << 10;

// False when the host has no more threads to give. libc recycles the stacks.
bool StartDetachedThread(const char* name, size_t stack_size, void (*run)(void*), void* arg);

// The same in two steps: once a thread is reserved, starting cannot fail. Threads that ended an earlier run are kept,
// a few of them, asleep: waking one costs a third of making one.
class ReservedThread {
 public:
  ReservedThread(const char* name, size_t stack_size);  // not valid when the host has no more threads to give
  ~ReservedThread();                                    // without a Run: back to those that are kept
  ReservedThread(ReservedThread&& other) noexcept : worker_(std::exchange(other.worker_, nullptr)) {}
  ReservedThread& operator=(ReservedThread&&) = delete;

  bool valid() const { return worker_ != nullptr; }
  void Run(void (*run)(void*), void* arg) &&;

 private:
  struct PooledWorker* worker_;
};

// Sleeps while *word == value, until a wake or the monotonic deadline (kNever: none).
// False only when the deadline passed.
bool FutexWaitHost(const void* word, unsigned value, long deadline_ns);
void FutexWakeHost(const void* word, int count);

}  // namespace runsc
