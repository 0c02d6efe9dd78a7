#include "sentry/kernel/host_thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sentry/kernel/deadline.h"

namespace runsc {
namespace {

struct StartArgs {
  void (*run)(void*);
  void* arg;
};

void* Trampoline(void* raw) {
  const StartArgs args = *static_cast<StartArgs*>(raw);
  delete static_cast<StartArgs*>(raw);
  args.run(args.arg);
  return nullptr;
}

bool CreateThread(pthread_attr_t& attr, const char* name, StartArgs* args) {
  pthread_t thread;
  if (pthread_create(&thread, &attr, Trampoline, args) == 0) {
    if (name != nullptr) pthread_setname_np(thread, name);
    return true;
  }
  delete args;
  return false;
}

}  // namespace

bool StartDetachedThread(const char* name, size_t stack_size, void (*run)(void*), void* arg) {
  pthread_attr_t attr;
  sigset_t all;
  sigfillset(&all);
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attr, stack_size);
  pthread_attr_setsigmask_np(&attr, &all);
  const bool started = CreateThread(attr, name, new StartArgs{run, arg});
  pthread_attr_destroy(&attr);
  return started;
}

bool FutexWaitHost(const void* word, unsigned value, long deadline_ns) {
  timespec deadline = ToTimespec(deadline_ns);
  const long rv = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value,
                          deadline_ns == kNever ? nullptr : &deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
  return rv == 0 || errno != ETIMEDOUT;
}

void FutexWakeHost(const void* word, int count) {
  syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0);
}

}  // namespace runsc
