// One set of System V objects (ipc_namespaces(7)).
#pragma once

#include "sentry/ipc/messages.h"
#include "sentry/ipc/semaphores.h"
#include "sentry/ipc/shared_memory.h"

namespace runsc {

class IpcNamespace : public RefCounted {
 public:
  explicit IpcNamespace(Kernel& kernel) : shared_memory(kernel) {}

  SharedMemory shared_memory;
  Semaphores semaphores;
  MessageQueues messages;
};

// The one a task's calls act in.
IpcNamespace& IpcOf(Task& task);

}  // namespace runsc
