// What System V shared memory, semaphores and message queues have in common: ids, keys and permissions (sysvipc(7)).
#pragma once

#include <sys/ipc.h>
#include <time.h>

#include "platform/base/mutex.h"
#include "sentry/vfs/credentials.h"

namespace runsc {

struct IpcOwner {
  key_t key = IPC_PRIVATE;
  uid_t uid = 0, creator_uid = 0;
  gid_t gid = 0, creator_gid = 0;
  uint32_t mode = 0;
};

// References: the table until it is removed, and calls in progress: what they find afterwards is EIDRM.
class IpcObject : public RefCounted {
 public:
  IpcObject(const Credentials& creds, key_t key, uint32_t mode);
  int id() const { return id_; }
  void set_id(int id) { id_ = id; }  // by the table, before it is visible
  key_t key() const { return key_; }

  Mutex& mu() ABSL_LOCK_RETURNED(mu_) { return mu_; }
  // EIDRM once it was removed.
  Result<void> CheckLiveLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return removed_ ? Errno(EIDRM) : Result<void>();
  }
  void SetRemovedLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { removed_ = true; }
  // `wanted`: permission bits in any of the three places. EACCES.
  Result<void> CheckAccessLocked(const Credentials& creds, uint32_t wanted) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Who may change or remove it: owner, creator, CAP_SYS_ADMIN. EPERM.
  Result<void> CheckOwnerLocked(const Credentials& creds) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  IpcOwner& owner_locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return owner_; }
  // Both ways between our record and the guest's; IPC_SET takes owner and permissions only.
  void FillLocked(struct ipc_perm& perm) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetOwnerLocked(const struct ipc_perm& perm) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  static int64_t Now() { return time(nullptr); }

 protected:
  mutable Mutex mu_{LockRank::kInode};

 private:
  const key_t key_;
  int id_ = -1;
  bool removed_ ABSL_GUARDED_BY(mu_) = false;
  IpcOwner owner_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc
