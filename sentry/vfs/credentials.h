// Users, groups and capabilities of a task, and the permission rules that use them.
#pragma once

#include <linux/capability.h>
#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "platform/base/ref_ptr.h"
#include "platform/base/result.h"
#include "sentry/vfs/user_namespace.h"

namespace runsc {

using CapabilitySet = uint64_t;
inline constexpr CapabilitySet kAllCapabilities = (uint64_t{1} << (CAP_LAST_CAP + 1)) - 1;

// Immutable once published; tasks share it and replace it as a whole (credentials(7)).
class Credentials : public RefCounted {
 public:
  uid_t ruid = 0, euid = 0, suid = 0, fsuid = 0;
  gid_t rgid = 0, egid = 0, sgid = 0, fsgid = 0;
  std::vector<gid_t> groups;
  CapabilitySet permitted = 0, effective = 0, inheritable = 0, bounding = 0, ambient = 0;
  uint32_t securebits = 0;
  bool no_new_privs = false;
  RefPtr<UserNamespace> user_ns;  // null: the sandbox's first one

  // A capability over the whole sandbox: those in a user namespace of the guest's own do not count.
  bool Has(int capability) const { return !user_ns && HasOwn(capability); }
  // In the task's own user namespace.
  bool HasOwn(int capability) const { return (effective >> capability) & 1; }
  // In `ns`: also its owner's, from the namespace around it.
  bool HasIn(const UserNamespace* ns, int capability) const;
  // Over a file: both its ids must have a number in the task's user namespace.
  bool HasOver(uid_t uid, gid_t gid, int capability) const {
    return HasOwn(capability) && (!user_ns || MapsBoth(uid, gid));
  }
  bool InGroup(gid_t gid) const;  // fsgid or supplementary
  RefPtr<Credentials> Copy() const;

 private:
  bool MapsBoth(uid_t uid, gid_t gid) const;
};

using CredentialsRef = RefPtr<const Credentials>;

}  // namespace runsc
