// Group membership and copying of credentials.
#include "sentry/vfs/credentials.h"

#include <algorithm>

namespace runsc {

bool Credentials::InGroup(gid_t gid) const {
  return gid == fsgid || std::find(groups.begin(), groups.end(), gid) != groups.end();
}

bool Credentials::HasIn(const UserNamespace* ns, int capability) const {
  for (;; ns = ns->parent().get()) {
    if (ns == user_ns.get()) return HasOwn(capability);
    if (ns == nullptr) return false;
    if (ns->parent().get() == user_ns.get() && ns->owner() == euid) return true;
  }
}

bool Credentials::MapsBoth(uid_t uid, gid_t gid) const {
  return FindGuestId(user_ns.get(), UserNamespace::kUsers, uid) &&
         FindGuestId(user_ns.get(), UserNamespace::kGroups, gid);
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
  copy->user_ns = user_ns;
  return copy;
}

}  // namespace runsc
