// User namespaces: which user and group ids their processes see (user_namespaces(7)).
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "platform/base/ref_ptr.h"
#include "platform/base/result.h"

namespace runsc {

// The ids the sentry works with are those of the sandbox's first user namespace, which a null pointer
// stands for everywhere: it maps every id to itself.
struct IdRange {
  uint32_t inside = 0;   // first id as the namespace sees it
  uint32_t outside = 0;  // first id as the sentry sees it
  uint32_t count = 0;
};
using IdMap = std::vector<IdRange>;

inline constexpr uint32_t kOverflowId = 65534;  // what an id without a name in a namespace looks like

class UserNamespace : public RefCounted {
 public:
  UserNamespace(RefPtr<UserNamespace> parent, uid_t owner, gid_t owner_group, bool allow_setgroups);
  ~UserNamespace() override;

  const RefPtr<UserNamespace>& parent() const { return parent_; }
  int level() const { return level_; }  // the first one has 0
  uid_t owner() const { return owner_; }
  gid_t owner_group() const { return owner_group_; }
  uint64_t ino() const { return ino_; }

  enum Kind { kUsers, kGroups, kProjects };  // the last are of disk quotas, and only shown
  static constexpr int kKinds = 3;
  // Null until it was set.
  const IdMap* map(Kind kind) const { return maps_[kind].load(std::memory_order_acquire); }
  // Once only: EPERM. `outside` of the ranges is already the sentry's.
  Result<void> SetMap(Kind kind, IdMap map);
  bool allows_setgroups() const { return allow_setgroups_.load(); }
  // EPERM once a group map was set.
  Result<void> DenySetgroups();

 private:
  const RefPtr<UserNamespace> parent_;
  const int level_;
  const uid_t owner_;
  const gid_t owner_group_;
  const uint64_t ino_;
  std::atomic<const IdMap*> maps_[kKinds] = {};
  std::atomic<bool> allow_setgroups_;
};

inline constexpr int kMaxUserNamespaceDepth = 32;

// From the namespace's number to the sentry's; nothing if it has none.
std::optional<uint32_t> IdFromGuest(const UserNamespace* ns, UserNamespace::Kind kind, uint32_t id);
// The other way.
std::optional<uint32_t> FindGuestId(const UserNamespace* ns, UserNamespace::Kind kind, uint32_t id);
// As above, kOverflowId if it has none.
inline uid_t UidToGuest(const UserNamespace* ns, uid_t id) {
  return ns == nullptr ? id : FindGuestId(ns, UserNamespace::kUsers, id).value_or(kOverflowId);
}
inline gid_t GidToGuest(const UserNamespace* ns, gid_t id) {
  return ns == nullptr ? id : FindGuestId(ns, UserNamespace::kGroups, id).value_or(kOverflowId);
}
// Is `ns` the namespace `ancestor` or somewhere below it?
bool IsWithin(const UserNamespace* ns, const UserNamespace* ancestor);

}  // namespace runsc
