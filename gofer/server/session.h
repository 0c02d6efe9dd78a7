// What all connections of one sentry share: the attach points and the files it holds.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "gofer/server/host_file.h"
#include "gofer/server/server.h"
#include "platform/base/mutex.h"
#include "platform/base/ref_ptr.h"
#include "platform/base/result.h"
#include "platform/base/unique_fd.h"

namespace runsc {

// One file a handle stands for.
class ServerNode : public RefCounted {
 public:
  ServerNode(UniqueFd path, uint32_t type, uint32_t attach_index, const GoferAttachPoint* attach)
      : path_(std::move(path)), type_(type), attach_index_(attach_index), attach_(attach) {}
  int path() const { return path_.get(); }
  uint32_t type() const { return type_; }  // S_IFMT part of the mode; it cannot change
  uint32_t attach_index() const { return attach_index_; }
  const GoferAttachPoint& attach() const { return *attach_; }

  // An open listing, kept from the first batch to the last.
  Mutex listing_mu{LockRank::kGoferServer};
  UniqueFd listing ABSL_GUARDED_BY(listing_mu);
  uint64_t listing_cursor ABSL_GUARDED_BY(listing_mu) = 0;

 private:
  const UniqueFd path_;
  const uint32_t type_;
  const uint32_t attach_index_;
  const GoferAttachPoint* const attach_;
};

// Handles are slot number plus a count of the slot's uses, so a stale one is noticed.
class HandleTable {
 public:
  explicit HandleTable(size_t limit) : limit_(limit) {}
  Result<uint64_t> Insert(RefPtr<ServerNode> node);  // ENFILE when full
  RefPtr<ServerNode> Find(uint64_t handle) const;    // null: not a handle
  void Remove(uint64_t handle);

 private:
  struct Slot {
    uint32_t uses = 1;
    RefPtr<ServerNode> node;
  };
  static uint32_t SlotOf(uint64_t handle) { return static_cast<uint32_t>(handle); }
  static uint32_t UsesOf(uint64_t handle) { return static_cast<uint32_t>(handle >> 32); }

  const size_t limit_;
  mutable Mutex mu_{LockRank::kGoferServer};
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mu_);
  std::vector<uint32_t> free_ ABSL_GUARDED_BY(mu_);
};

struct GoferSession {
  GoferSession(std::vector<GoferAttachPoint> points, UniqueFd proc_self_fd, size_t max_handles)
      : attach_points(std::move(points)), reopener(std::move(proc_self_fd)), handles(max_handles) {}
  const std::vector<GoferAttachPoint> attach_points;
  const Reopener reopener;
  HandleTable handles;
};

}  // namespace runsc
