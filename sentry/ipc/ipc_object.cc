#include "sentry/ipc/ipc_object.h"

namespace runsc {

IpcObject::IpcObject(const Credentials& creds, key_t key, uint32_t mode) : key_(key) {
  owner_ = {key, creds.euid, creds.euid, creds.egid, creds.egid, mode & 0777};
}

Result<void> IpcObject::CheckAccessLocked(const Credentials& creds, uint32_t wanted) const {
  const uint32_t requested = (wanted >> 6) | (wanted >> 3) | wanted;
  uint32_t granted = owner_.mode;
  if (creds.euid == owner_.creator_uid || creds.euid == owner_.uid) {
    granted >>= 6;
  } else if (creds.InGroup(owner_.creator_gid) || creds.InGroup(owner_.gid)) {
    granted >>= 3;
  }
  return (requested & ~granted & 07) && !creds.Has(CAP_IPC_OWNER) ? Errno(EACCES) : Result<void>();
}

Result<void> IpcObject::CheckOwnerLocked(const Credentials& creds) const {
  if (creds.euid == owner_.creator_uid || creds.euid == owner_.uid || creds.Has(CAP_SYS_ADMIN)) return {};
  return Errno(EPERM);
}

void IpcObject::FillLocked(struct ipc_perm& perm) const {
  perm.__key = owner_.key;
  perm.uid = owner_.uid, perm.gid = owner_.gid;
  perm.cuid = owner_.creator_uid, perm.cgid = owner_.creator_gid;
  perm.mode = static_cast<decltype(perm.mode)>(owner_.mode);
  perm.__seq = static_cast<unsigned short>(id_ >> 15);
}

void IpcObject::SetOwnerLocked(const struct ipc_perm& perm) {
  owner_.uid = perm.uid, owner_.gid = perm.gid;
  owner_.mode = (owner_.mode & ~0777u) | (perm.mode & 0777);
}

}  // namespace runsc
