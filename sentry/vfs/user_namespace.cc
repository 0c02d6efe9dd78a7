#include "sentry/vfs/user_namespace.h"

namespace runsc {
namespace {

uint64_t NextNamespaceIno() {
  static std::atomic<uint64_t> next{4026540000};
  return next++;
}

// From ids counted by `from` to those counted by `to`.
std::optional<uint32_t> Translate(const UserNamespace* ns, UserNamespace::Kind kind, uint32_t id,
                                  uint32_t IdRange::*from, uint32_t IdRange::*to) {
  if (ns == nullptr) return id;
  const IdMap* map = ns->map(kind);
  if (map == nullptr) return std::nullopt;
  for (const IdRange& range : *map) {
    if (id - range.*from < range.count) return range.*to + (id - range.*from);
  }
  return std::nullopt;
}

}  // namespace

UserNamespace::UserNamespace(RefPtr<UserNamespace> parent, uid_t owner, gid_t owner_group, bool allow_setgroups)
    : parent_(std::move(parent)),
      level_(parent_ ? parent_->level() + 1 : 1),
      owner_(owner),
      owner_group_(owner_group),
      ino_(NextNamespaceIno()),
      allow_setgroups_(allow_setgroups) {}

UserNamespace::~UserNamespace() {
  for (auto& map : maps_) delete map.load();
}

Result<void> UserNamespace::SetMap(Kind kind, IdMap map) {
  auto fresh = std::make_unique<const IdMap>(std::move(map));
  const IdMap* unset = nullptr;
  if (!maps_[kind].compare_exchange_strong(unset, fresh.get())) return Errno(EPERM);
  (void)fresh.release();
  return {};
}

Result<void> UserNamespace::DenySetgroups() {
  if (map(kGroups) != nullptr) return Errno(EPERM);
  allow_setgroups_ = false;
  return {};
}

std::optional<uint32_t> IdFromGuest(const UserNamespace* ns, UserNamespace::Kind kind, uint32_t id) {
  if (id == ~0u) return std::nullopt;
  return Translate(ns, kind, id, &IdRange::inside, &IdRange::outside);
}

std::optional<uint32_t> FindGuestId(const UserNamespace* ns, UserNamespace::Kind kind, uint32_t id) {
  return Translate(ns, kind, id, &IdRange::outside, &IdRange::inside);
}

bool IsWithin(const UserNamespace* ns, const UserNamespace* ancestor) {
  if (ancestor == nullptr) return true;
  for (; ns != nullptr; ns = ns->parent().get()) {
    if (ns == ancestor) return true;
  }
  return false;
}

}  // namespace runsc
