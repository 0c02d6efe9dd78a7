#include "sentry/ipc/ipc_namespace.h"

#include "sentry/kernel/exit_hooks.h"
#include "sentry/kernel/task.h"

namespace runsc {
namespace {

std::atomic<IpcNamespace*> first_namespace{nullptr};

void OnProcessExit(ThreadGroup& process) {
  IpcNamespace* ipc = first_namespace.load();
  ipc->semaphores.OnProcessExit(process);
  ipc->shared_memory.DropUnused();
}

// Made by the first call that needs it, so that a sandbox without System V IPC has none.
IpcNamespace& MakeFirst(Kernel& kernel) {
  static IpcNamespace* const made = [&kernel] {
    auto* ipc = new IpcNamespace(kernel);
    first_namespace = ipc;
    AddProcessExitHook(OnProcessExit);
    return ipc;
  }();
  return *made;
}

}  // namespace

IpcNamespace& IpcOf(Task& task) {
  IpcNamespace* ipc = first_namespace.load(std::memory_order_acquire);
  return ipc != nullptr ? *ipc : MakeFirst(task.kernel());
}

}  // namespace runsc
