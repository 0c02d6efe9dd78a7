// The table of files the sentry holds.
#include "gofer/server/session.h"

namespace runsc {

Result<uint64_t> HandleTable::Insert(RefPtr<ServerNode> node) {
  MutexLock lock(mu_);
  if (free_.empty()) {
    if (slots_.size() >= limit_) return Errno(ENFILE);
    free_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  uint32_t index = free_.back();
  free_.pop_back();
  Slot& slot = slots_[index];
  slot.node = std::move(node);
  return uint64_t{slot.uses} << 32 | index;
}

RefPtr<ServerNode> HandleTable::Find(uint64_t handle) const {
  MutexLock lock(mu_);
  if (SlotOf(handle) >= slots_.size()) return nullptr;
  const Slot& slot = slots_[SlotOf(handle)];
  return slot.uses == UsesOf(handle) ? slot.node : nullptr;
}

void HandleTable::Remove(uint64_t handle) {
  RefPtr<ServerNode> doomed;  // its descriptors are closed after the lock is released
  MutexLock lock(mu_);
  if (SlotOf(handle) >= slots_.size()) return;
  Slot& slot = slots_[SlotOf(handle)];
  if (slot.uses != UsesOf(handle) || !slot.node) return;
  doomed = std::move(slot.node);
  slot.node = nullptr;
  slot.uses++;
  free_.push_back(SlotOf(handle));
}

}  // namespace runsc
