#include "sentry/kernel/late_wakes.h"

#include "sentry/kernel/host_thread.h"
#include "sentry/kernel/run_state.h"

namespace runsc {
namespace {

thread_local LateWakes* innermost = nullptr;

}  // namespace

LateWakes::LateWakes() : outer_(innermost) { innermost = this; }

LateWakes::~LateWakes() {
  innermost = outer_;
  for (int i = 0; i < count_; ++i) FutexWakeHost(&tasks_[i]->run().wake, 1);
}

bool LateWakes::Add(Task& task) {
  if (innermost == nullptr || innermost->count_ == kRoom) return false;
  innermost->tasks_[innermost->count_++] = RefPtr<Task>(&task);
  return true;
}

}  // namespace runsc
