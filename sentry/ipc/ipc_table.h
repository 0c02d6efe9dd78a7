// The ids and keys of one kind of System V object.
#pragma once

#include <atomic>
#include <map>
#include <vector>

#include "sentry/ipc/ipc_object.h"

namespace runsc {

// An id is (sequence << 15 | index): a stale one is told from the new owner of its index.
template <typename T>
class IpcTable {
 public:
  // `limit`: how many there may be; it may change.
  explicit IpcTable(const std::atomic<uint64_t>& limit) : limit_(limit) {}

  // shmget(2) & co.: `check` decides about an object that exists, `make` gives Result<RefPtr<T>> of a new one.
  template <typename Check, typename Make>
  Result<int> Get(key_t key, int flags, Check check, Make make) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock l(mu_);
    if (key != IPC_PRIVATE) {
      if (T* found = FindKeyLocked(key)) {
        if ((flags & IPC_CREAT) && (flags & IPC_EXCL)) return Errno(EEXIST);
        TRY(check(*found));
        return found->id();
      }
      if (!(flags & IPC_CREAT)) return Errno(ENOENT);
    }
    if (objects_.size() >= limit_.load()) return Errno(ENOSPC);
    return InsertLocked(TRY(make()));
  }

  // EINVAL: never existed or was removed; EIDRM: another object has its index now.
  Result<RefPtr<T>> Find(int id) ABSL_LOCKS_EXCLUDED(mu_) {
    if (id < 0) return Errno(EINVAL);
    const RefPtr<T> object = TRY(FindIndex(id & kIndexMask));
    return object->id() == id ? Result<RefPtr<T>>(object) : Errno(EIDRM);
  }

  Result<RefPtr<T>> FindIndex(int index) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock l(mu_);
    const auto it = objects_.find(index);
    return it != objects_.end() ? Result<RefPtr<T>>(it->second) : Errno(EINVAL);
  }

  // No key leads to it any more (a shared memory segment that waits for its last user).
  void ForgetKey(const T& object) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock l(mu_);
    ForgetKeyLocked(object);
  }

  void Remove(const T& object) ABSL_LOCKS_EXCLUDED(mu_) {
    RefPtr<T> last;  // freed after the lock
    MutexLock l(mu_);
    ForgetKeyLocked(object);
    const auto it = objects_.find(object.id() & kIndexMask);
    if (it == objects_.end() || it->second.get() != &object) return;
    last = it->second;
    objects_.erase(it);
  }

  std::vector<RefPtr<T>> All() ABSL_LOCKS_EXCLUDED(mu_) {
    std::vector<RefPtr<T>> all;
    MutexLock l(mu_);
    for (const auto& [index, object] : objects_) all.push_back(object);
    return all;
  }

  // The highest index in use, 0 when there is none: what the *_INFO commands return.
  int HighestIndex() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock l(mu_);
    return objects_.empty() ? 0 : objects_.rbegin()->first;
  }

 private:
  static constexpr int kIndexMask = 0x7fff;
  static constexpr int kMaxSequence = 0xffff;

  T* FindKeyLocked(key_t key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto it = keys_.find(key);
    return it == keys_.end() ? nullptr : it->second;
  }

  void ForgetKeyLocked(const T& object) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto it = keys_.find(object.key());
    if (it != keys_.end() && it->second == &object) keys_.erase(it);
  }

  int InsertLocked(RefPtr<T> object) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    int index = 0;
    for (const auto& [used, other] : objects_) {
      if (used != index) break;
      ++index;
    }
    if (index <= last_index_) sequence_ = (sequence_ + 1) & kMaxSequence;
    last_index_ = index;
    object->set_id(sequence_ << 15 | index);
    if (object->key() != IPC_PRIVATE) keys_[object->key()] = object.get();
    const int id = object->id();
    objects_.emplace(index, std::move(object));
    return id;
  }

  const std::atomic<uint64_t>& limit_;
  Mutex mu_{LockRank::kDentry};
  int last_index_ ABSL_GUARDED_BY(mu_) = -1, sequence_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<int, RefPtr<T>> objects_ ABSL_GUARDED_BY(mu_);
  std::map<key_t, T*> keys_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc
