#include "sentry/kernel/exit_hooks.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>

namespace runsc {
namespace {

using Hook = void (*)(ThreadGroup&);
std::array<std::atomic<Hook>, 4> hooks{};
std::atomic<size_t> count{0};

}  // namespace

void AddProcessExitHook(Hook hook) {
  const size_t index = count.fetch_add(1);
  if (index >= hooks.size()) std::abort();
  hooks[index] = hook;
}

void RunProcessExitHooks(ThreadGroup& process) {
  for (auto& slot : hooks) {
    if (const Hook hook = slot.load(std::memory_order_acquire)) hook(process);
  }
}

}  // namespace runsc
