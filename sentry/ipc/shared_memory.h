// System V shared memory segments (shmget(2), shmop(2), shmctl(2)).
#pragma once

#include <sys/shm.h>

#include "platform/base/unique_fd.h"
#include "sentry/ipc/ipc_limits.h"
#include "sentry/ipc/ipc_table.h"
#include "sentry/vfs/file.h"

namespace runsc {

class Kernel;

class SharedSegment : public IpcObject {
 public:
  SharedSegment(const Credentials& creds, key_t key, uint32_t mode, UniqueFd memory, uint64_t size, int pid);
  uint64_t size() const { return size_; }
  int host_fd() const { return memory_.get(); }
  // Nobody can reach it any more, though records of old mappings may still hold it.
  void FreeMemory() const;

  // Who attached and detached last and when. Process ids are the sentry's.
  void NoteAttachLocked(int pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NoteDetach(int pid);
  struct shmid_ds StatLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);  // without shm_nattch
  // IPC_RMID: stays as long as it is attached.
  void MarkForDestructionLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsDoomedLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NoteChangeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { changed_ = Now(); }

 private:
  const UniqueFd memory_;
  const uint64_t size_;
  const int creator_;
  int last_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t attached_ ABSL_GUARDED_BY(mu_) = 0, detached_ ABSL_GUARDED_BY(mu_) = 0, changed_ ABSL_GUARDED_BY(mu_);
};

// What an attached range is a mapping of. Which ranges are attached is told by the host's map of the process, so
// that munmap, mremap, fork, exec and exit need no bookkeeping.
class SharedSegmentFile : public File {
 public:
  SharedSegmentFile(RefPtr<SharedSegment> segment, int flags) : File(Path(), flags), segment_(std::move(segment)) {}
  static const char kKind;
  const void* kind() const override { return &kKind; }
  SharedSegment& segment() const { return *segment_; }
  Result<Mappable> Mmap(uint64_t offset, uint64_t length, int prot, int flags) override;
  Result<void> Sync(bool data_only) override { return {}; }  // memory has nothing to write back
  std::string Describe() const override;
  Result<Attr> GetAttr() override;

 private:
  const RefPtr<SharedSegment> segment_;
};

class SharedMemory {
 public:
  SharedMemory(Kernel& kernel, const IpcLimits& limits) : kernel_(kernel), limits_(limits), table_(limits.shm_mni) {}
  Result<int> Get(Task& task, key_t key, uint64_t size, int flags);
  Result<GuestAddr> Attach(Task& task, int id, GuestAddr addr, int flags);
  Result<void> Detach(Task& task, GuestAddr addr);
  Result<void> Remove(Task& task, int id);
  // How many mappings of it there are, in all processes.
  uint64_t CountAttached(const SharedSegment& segment);
  // Drops segments that wait for their last user, if he is gone.
  void DropUnused();
  IpcTable<SharedSegment>& table() { return table_; }

 private:
  Result<RefPtr<SharedSegment>> Make(Task& task, key_t key, uint64_t size, int flags);
  void DropIfUnused(SharedSegment& segment);

  Kernel& kernel_;
  const IpcLimits& limits_;
  IpcTable<SharedSegment> table_;
  std::atomic<uint64_t> pages_{0};  // of all segments
  std::atomic<int> doomed_{0};      // how many wait for their last user
};

}  // namespace runsc
