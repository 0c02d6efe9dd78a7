#include "sentry/kernel/trace_access.h"

namespace runsc {
namespace {

bool SameIds(const Credentials& from, const Credentials& to, bool real_ids) {
  const uid_t uid = real_ids ? from.ruid : from.fsuid;
  const gid_t gid = real_ids ? from.rgid : from.fsgid;
  return uid == to.ruid && uid == to.euid && uid == to.suid && gid == to.rgid && gid == to.egid && gid == to.sgid;
}

}  // namespace

Result<void> CheckTraceAccess(Task& caller, Task& target, int refusal, bool real_ids) {
  MutexLock l(caller.kernel().task_set_mu());
  return CheckTraceAccessLocked(caller, target, refusal, real_ids);
}

Result<void> CheckTraceAccessLocked(Task& caller, Task& target, int refusal, bool real_ids) {
  if (&caller.thread_group() == &target.thread_group()) return {};
  const CredentialsRef from = caller.creds();
  const CredentialsRef to = target.CredsSnapshot();
  if (from->HasIn(to->user_ns.get(), CAP_SYS_PTRACE)) return {};
  const bool dumpable = target.thread_group().dumpable;
  const bool fewer_rights = from->user_ns == to->user_ns && (to->permitted & ~from->permitted) == 0;
  return dumpable && fewer_rights && SameIds(*from, *to, real_ids) ? Result<void>() : Errno(refusal);
}

}  // namespace runsc
