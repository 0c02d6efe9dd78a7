// Group membership and copying of credentials.
#include "sentry/vfs/credentials.h"

#include <algorithm>

namespace runsc {

bool Credentials::InGroup(gid_t gid) const {
  return gid == fsgid || std::find(groups.begin(), groups.end(), gid) != groups.end();
}

RefPtr<Credentials> Credentials::Copy() const {
  auto copy = MakeRef<Credentials>();
  copy->ruid = ruid, copy->euid = euid, copy->suid = suid, copy->fsuid = fsuid;
  copy->rgid = rgid, copy->egid = egid, copy->sgid = sgid, copy->fsgid = fsgid;
  copy->groups = groups;
  copy->permitted = permitted, copy->effective = effective, copy->inheritable = inheritable;
  copy->bounding = bounding, copy->ambient = ambient;
  copy->securebits = securebits;
  copy->no_new_privs = no_new_privs;
  return copy;
}

}  // namespace runsc
