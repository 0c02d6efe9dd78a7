// Detached threads of the sentry: small stacks, every signal blocked.
#pragma once

#include <cstddef>

namespace runsc {

inline constexpr size_t kTaskStackSize = 256 << 10;

// False when the host has no more threads to give. libc recycles the stacks.
bool StartDetachedThread(const char* name, size_t stack_size, void (*run)(void*), void* arg);

// The same on a thread that ended an earlier run, when one is left; a few are kept, asleep.
bool RunOnPooledThread(const char* name, size_t stack_size, void (*run)(void*), void* arg);

// Sleeps while *word == value, until a wake or the monotonic deadline (kNever: none).
// False only when the deadline passed.
bool FutexWaitHost(const void* word, unsigned value, long deadline_ns);
void FutexWakeHost(const void* word, int count);

}  // namespace runsc
