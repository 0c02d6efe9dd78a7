// One set of System V objects and POSIX message queues (ipc_namespaces(7)).
#pragma once

#include "sentry/ipc/messages.h"
#include "sentry/ipc/semaphores.h"
#include "sentry/ipc/shared_memory.h"

namespace runsc {

class IpcNamespace : public RefCounted {
 public:
  explicit IpcNamespace(Kernel& kernel);

  IpcLimits limits;
  SharedMemory shared_memory;
  Semaphores semaphores;
  MessageQueues messages;
  // The file system of its POSIX message queues, made by the first user (sentry/fs/mqueue.h). Whoever sets it
  // first wins; returns what is kept.
  RefPtr<RefCounted> mqueues() const;
  RefPtr<RefCounted> KeepMqueues(RefPtr<RefCounted> queues);

 protected:
  ~IpcNamespace() override;

 private:
  mutable Mutex mu_{LockRank::kDentry};
  RefPtr<RefCounted> mqueues_ ABSL_GUARDED_BY(mu_);
};

// The one a task's calls act in. Own thread: good until the task changes its namespaces.
IpcNamespace& IpcOf(Task& task);

}  // namespace runsc
