#include "sentry/kernel/pids.h"

#include <algorithm>

namespace runsc {

int PidToGuestLocked(const Task& viewer, int tid) {
  const PidNamespace* ns = viewer.thread_group().pid_ns.get();
  return ns == nullptr ? tid : ns->NumberLocked(tid);
}

int PidToGuest(const Task& viewer, int tid) {
  if (InFirstPidNamespace(viewer)) return tid;
  MutexLock l(viewer.kernel().task_set_mu());
  return PidToGuestLocked(viewer, tid);
}

int PidFromGuestLocked(const Task& viewer, int number) {
  const PidNamespace* ns = viewer.thread_group().pid_ns.get();
  if (ns == nullptr) return number;
  const int tid = ns->FindLocked(number);
  return tid == 0 ? kNoSuchPid : tid;
}

int PidFromGuest(const Task& viewer, int number) {
  if (InFirstPidNamespace(viewer)) return number;
  MutexLock l(viewer.kernel().task_set_mu());
  return PidFromGuestLocked(viewer, number);
}

int SignedPidFromGuest(const Task& viewer, int number) {
  if (InFirstPidNamespace(viewer) || number == 0 || number == -1 || number == INT32_MIN) return number;
  const int tid = PidFromGuest(viewer, number < 0 ? -number : number);
  return number < 0 ? -tid : tid;
}

ThreadIdentity IdentityOf(const Task& task, const Credentials& creds) {
  const UserNamespace* ns = creds.user_ns.get();
  ThreadIdentity who{};
  {
    MutexLock l(task.kernel().task_set_mu());
    const ThreadGroup* parent = task.thread_group().parent;
    who.tid = PidToGuestLocked(task, task.tid());
    who.tgid = PidToGuestLocked(task, task.pid());
    who.ppid = parent != nullptr ? PidToGuestLocked(task, parent->pid()) : 0;
  }
  who.uid = UidToGuest(ns, creds.ruid), who.euid = UidToGuest(ns, creds.euid);
  who.gid = GidToGuest(ns, creds.rgid), who.egid = GidToGuest(ns, creds.egid);
  return who;
}

std::vector<int> InnerPidsLocked(const ThreadGroup& group, int tid) {
  std::vector<int> numbers;
  for (const PidNamespace* ns = group.pid_ns.get(); ns != nullptr; ns = ns->parent().get()) {
    numbers.push_back(ns->NumberLocked(tid));
  }
  std::reverse(numbers.begin(), numbers.end());
  return numbers;
}

Result<void> AddToPidNamespacesLocked(PidNamespace* ns, int tid, std::span<const int32_t> wanted) {
  size_t index = 0;
  for (PidNamespace* at = ns; at != nullptr; at = at->parent().get(), ++index) {
    const auto added = at->AddLocked(tid, index < wanted.size() ? wanted[index] : 0);
    if (added.ok()) continue;
    RemoveFromPidNamespacesLocked(ns, tid);
    return added.error();
  }
  return {};
}

void RemoveFromPidNamespacesLocked(PidNamespace* ns, int tid) {
  for (; ns != nullptr; ns = ns->parent().get()) ns->RemoveLocked(tid);
}

bool IsNamespaceInitLocked(const ThreadGroup& group) {
  return &group == group.kernel().init() || (group.pid_ns && group.pid_ns->init == &group);
}

bool IsShieldedInitLocked(const ThreadGroup& group) { return !group.takes_defaults && IsNamespaceInitLocked(group); }

bool SeesProcess(const PidNamespace* viewer, const ThreadGroup& group) {
  if (viewer == nullptr) return true;
  for (const PidNamespace* ns = group.pid_ns.get(); ns != nullptr; ns = ns->parent().get()) {
    if (ns == viewer) return true;
  }
  return false;
}

}  // namespace runsc
