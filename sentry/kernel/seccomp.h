// Guest seccomp: the filters a task is under and what they say of a call (seccomp(2), seccomp_unotify(2)).
#pragma once

#include <list>
#include <optional>

#include "platform/base/bpf_program.h"
#include "sentry/kernel/task.h"

namespace runsc {

// A call that waits for a supervisor's answer.
struct SeccompNotice {
  uint64_t id = 0;
  RefPtr<Task> task;
  seccomp_data data{};
  enum State { kNew, kSeen, kAnswered } state = kNew;
  seccomp_notif_resp answer{};
};

// Between the tasks under a filter with a listener and the supervisor that holds its descriptor.
class SeccompListener : public RefCounted {
 public:
  // `patient`: once the supervisor has seen a call, only SIGKILL makes its caller give up.
  explicit SeccompListener(bool patient) : patient_(patient) {}
  // The guest side: waits for the answer. Nothing: the call goes on.
  std::optional<SyscallResult> Ask(Task& task, const seccomp_data& data);
  void Hangup();  // the last task under the filter is gone

  // The supervisor side. Take: EAGAIN. The others: ENOENT when the call waits no more.
  Result<SeccompNotice> Take();
  void PutBack(uint64_t id);  // the supervisor could not be told
  Result<void> Answer(const seccomp_notif_resp& answer);
  Result<RefPtr<Task>> Find(uint64_t id);  // one that was seen and not answered
  void Close();
  EventMask Readiness(EventMask mask);
  WaitQueue& events() { return events_; }

 private:
  Result<seccomp_notif_resp> AwaitAnswer(Task& task, uint64_t id);
  bool IsHeld(uint64_t id);
  SeccompNotice* FindLocked(uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<seccomp_notif_resp> TryAnswer(uint64_t id);
  void Forget(uint64_t id);

  const bool patient_;
  Mutex mu_{LockRank::kFile};
  std::list<SeccompNotice> notices_ ABSL_GUARDED_BY(mu_);
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  bool hung_up_ ABSL_GUARDED_BY(mu_) = false;
  WaitQueue events_;   // for the supervisor
  WaitQueue answers_;  // for the tasks
};

// Immutable; each refers to the one installed before it.
struct SeccompFilter : public RefCounted {
  SeccompFilter(BpfProgram program, RefPtr<const SeccompFilter> previous, RefPtr<SeccompListener> listener, bool log);
  ~SeccompFilter() override;
  const BpfProgram program;
  mutable RefPtr<const SeccompFilter> previous;  // taken away only when it ends
  const RefPtr<SeccompListener> listener;
  const bool log;
  const size_t path_length;  // instructions of the whole chain
  const CallSet judged;      // calls that the chain does not allow whatever their arguments
};

// SECCOMP_SET_MODE_STRICT. EINVAL when filtered already.
Result<void> EnterStrictMode(Task& task);
// Adds a filter; `sync`: to all threads, or gives the id of one that cannot follow.
Result<int> AddSeccompFilter(Task& task, BpfProgram program, RefPtr<SeccompListener> listener, bool log, bool sync);
bool HasSeccompListener(const Task& task);

struct SeccompStatus {
  int mode = 0;
  int filters = 0;
};
SeccompStatus SeccompStatusOf(const Task& task);
void InheritSeccomp(const Task& parent, Task& child);
void DropSeccomp(Task& task);  // at exit

// The calls that CheckSeccomp must be asked about. For the task itself; valid until its filters change.
const CallSet& CallsToJudge(const Task& task);

// What the filters say of this call: nothing to go on, else its result. Only for tasks in a mode.
// A tracer may put another call in its place.
std::optional<SyscallResult> CheckSeccomp(Task& task, SyscallRequest& request);

}  // namespace runsc
