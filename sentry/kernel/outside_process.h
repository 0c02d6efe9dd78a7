// Processes that nobody in the sandbox forked: a container's init, and what `exec` adds to a container.
#pragma once

#include <functional>
#include <memory>

#include "sentry/kernel/namespaces.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/terminal.h"

namespace runsc {

// Where such a process lives.
struct OutsidePlace {
  int container = 0;            // see ThreadGroup::container
  NamespaceSetRef namespaces;   // null: the first ones
  RefPtr<PidNamespace> pid_ns;  // null: the first one
  Path root;                    // of the process, and its first working directory
};

// Made, given a program, started; nobody in the sandbox sees it before that. The kernel's first one is its init.
class OutsideProcess {
 public:
  // EAGAIN, ENOMEM (the pid namespace is dead).
  static Result<std::unique_ptr<OutsideProcess>> New(Kernel& kernel, const InitProcess& init, OutsidePlace place);
  // Not started: as if it had never been, but if it is the init of its pid namespace, that ends with it, and it waits
  // for the end of those in it.
  ~OutsideProcess();
  Task& task() const { return *task_; }
  // Its controlling terminal, from the start.
  void set_terminal(RefPtr<Terminal> terminal) { terminal_ = std::move(terminal); }

  // Loads `init`'s program. The error names the cause ("exec /bin/x: no such file").
  absl::Status Exec(const InitProcess& init);
  // The same with a program that need not have a name in the process' root.
  absl::Status ExecProgram(const InitProcess& init, const Path& program);
  // `on_exit`: called once, with no lock held, by the last thread of the process.
  absl::Status Start(std::function<void(int wait_status)> on_exit);

 private:
  OutsideProcess(Kernel& kernel, RefPtr<Task> task) : kernel_(kernel), task_(std::move(task)) {}
  absl::Status EnterDirectory(const InitProcess& init);
  Result<void> PublishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  bool CloseNamespaceLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  RefPtr<Task> WithdrawLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(task_set_capability);
  void EndNamespace();

  Kernel& kernel_;
  RefPtr<Task> task_;
  RefPtr<Terminal> terminal_;
  bool started_ = false;
};

}  // namespace runsc
